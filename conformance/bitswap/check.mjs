// Bitswap with outside peers, both ways: Kubo, where the environment variable KUBO names its binary, and Helia, also as it
// runs in browsers, and from a mirror.
// `--full` exchanges 100,000 blocks and 1 GiB instead of a few thousand and some MiB.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Checks } from '../checks.mjs'
import { startNode } from '../node.mjs'
import { fetchedByHttps } from './https.mjs'
import { exchangeWithKubo } from './kubo.mjs'
import { fromBrowsers } from './sockets.mjs'

// What Helia's libraries take for granted, and Node.js has since version 22.
Promise.withResolvers ??= () => {
  const made = {}
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }))
  return made
}
const { exchangeWithHelia } = await import('./helia.mjs')
const { misbehavingPeers } = await import('./misbehaving.mjs')
const { mirrored } = await import('./mirror.mjs')

const full = process.argv.includes('--full')
/** How much is exchanged. */
const sizes = full
  ? { blocks: 100_000, bytes: 1 << 30, heliaBlocks: 100_000, heliaBytes: 1 << 30 }
  : { blocks: 4_000, bytes: 24 << 20, heliaBlocks: 500, heliaBytes: 4 << 20 }

const checks = new Checks()
const dir = mkdtempSync(join(tmpdir(), 'kubelt-bitswap-'))
const node = await startNode({ settings: '[network]\nlisten = ["/ip4/127.0.0.1/tcp/0"]\n' })
try {
  await exchangeWithHelia(checks, node, sizes)
  await misbehavingPeers(checks)
  await mirrored(checks)
  await fromBrowsers(checks, dir)
  writeTree(dir)
  if (process.env.KUBO) {
    await exchangeWithKubo(checks, node, dir, sizes)
    await fetchedByHttps(checks, dir)
  } else {
    checks.cannotRun('bitswap with Kubo', 'KUBO names no binary')
  }
} finally {
  await node.stop()
  rmSync(dir, { recursive: true, force: true })
}
checks.close()

/** A directory of a few files, one of them of several blocks. */
function writeTree (dir) {
  mkdirSync(join(dir, 'tree/inner'), { recursive: true })
  writeFileSync(join(dir, 'tree/a.txt'), 'a text\n')
  writeFileSync(join(dir, 'tree/inner/b.bin'), Buffer.alloc(3_000_000, 'pattern '))
  writeFileSync(join(dir, 'tree/inner/empty'), '')
}
