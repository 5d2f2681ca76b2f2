// Files and directories to import: the same bytes each time.

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const KIB = 1024
const MIB = 1024 * KIB
/** Around the chunks of every profile, and beyond one node's links for the narrow ones. */
const SIZES = [
  0, 1, 100, 4 * KIB, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 17,
  174 * 256 * KIB, 174 * 256 * KIB + 1
]

/** Bytes that look random and are the same each time (xorshift). */
export function noise (size, seed = 1) {
  const words = new Uint32Array(Math.ceil(size / 4))
  let state = (seed * 0x9e3779b9) >>> 0 || 1
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[index] = state >>> 0
  }
  return Buffer.from(words.buffer, 0, size)
}

/** Writes the trees below `dir` and gives their names. */
export function writeTrees (dir) {
  const write = (path, bytes) => {
    mkdirSync(dirname(join(dir, path)), { recursive: true })
    writeFileSync(join(dir, path), bytes)
  }
  for (const size of SIZES) {
    write(`sizes/${size}.bin`, noise(size, size + 1))
  }
  write('zeros/8MiB', Buffer.alloc(8 * MIB))
  for (const [name, count] of [['few', 3], ['flat', 1_000], ['sharded', 7_000]]) {
    for (let index = 0; index < count; index++) {
      write(`${name}/entry-${String(index).padStart(6, '0')}.txt`, `${index}\n`)
    }
  }
  for (const name of ['ä', '日本語', '🦀 crab', 'a b', '%41', 'c++?&=#']) {
    write(`names/${name}`, name)
  }
  write('site/index.html', '<!doctype html><title>site</title><p>hello\n')
  write('site/style.css', 'p { color: green }\n')
  write('site/data.json', '{"hello": "world"}\n')
  write('site/picture.svg', '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>\n')
  write('site/noextension', 'plain text\n')
  write('site/page.html', '<p>a page\n')
  write('site/deep/er/and/deeper/file.txt', 'deep\n')
  write('site/deep/index.html', '<p>deep\n')
  write('site/empty.txt', '')
  write('site/large.bin', noise(3 * MIB + 5, 77))
  return ['sizes', 'zeros', 'few', 'flat', 'sharded', 'names', 'site']
}
