// Clients that nobody here wrote, against a node.

import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Checks } from '../checks.mjs'
import { startNode } from '../node.mjs'
import { checkCars } from './cars.mjs'
import { checkCurl } from './curl.mjs'
import { checkMultiformats } from './multiformats.mjs'
import { checkVerifiedFetch } from './verified-fetch.mjs'

const MIB = 1024 * 1024
const checks = new Checks()
const dir = mkdtempSync(join(tmpdir(), 'kubelt-clients-'))
const files = {
  'index.html': '<!doctype html><title>site</title><p>hello\n',
  'style.css': 'p { color: green }\n',
  'data.json': '{"hello":"world"}\n',
  'sub/日本語.txt': 'deep\n',
  'large.bin': Buffer.from(Uint32Array.from({ length: 5 * MIB / 4 + 1 }, (_, index) => Math.imul(index, 0x9e3779b9)).buffer),
  empty: ''
}
for (const [path, bytes] of Object.entries(files)) {
  mkdirSync(join(dir, 'site', path, '..'), { recursive: true })
  writeFileSync(join(dir, 'site', path), bytes)
}
const node = await startNode()
try {
  const { cid } = await node.json(['publish', join(dir, 'site'), '--to', '@me/site', '--public'])
  const world = { node, dir, files, cid }
  await checkVerifiedFetch(checks, world)
  await checkCars(checks, world)
  await checkMultiformats(checks, world)
  await checkCurl(checks, world)
} finally {
  await node.stop()
  rmSync(dir, { recursive: true, force: true })
}
checks.close()
// Clients keep connections and timers that nobody waits for.
process.exit()
