// All that the console can ever load, as nodes send it (Brotli), against the limit. A first visit loads less: pages come when they are opened.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync } from 'node:zlib'

const BYTES_MAX = 200_000

const dist = join(dirname(fileURLToPath(import.meta.url)), 'dist')
const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(dist, join(entry.parentPath, entry.name)))
  .sort()

let total = 0
for (const file of files) {
  const bytes = brotliCompressSync(readFileSync(join(dist, file))).length
  total += bytes
  console.log(`${String(bytes).padStart(8)}  ${file}`)
}
console.log(`${String(total).padStart(8)}  in all, compressed, of ${BYTES_MAX} at most`)
if (total > BYTES_MAX) {
  console.error('The console is too large. What has grown? A dependency is the usual reason.')
  process.exitCode = 1
}
