// Helia's bitswap fetches what a node publishes, and the node what Helia has.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { createLibp2p } from 'libp2p'
import { varint } from 'multiformats'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { pinned } from './pins.mjs'

const RAW = 0x55
const DAG_JSON = 0x0129
// What is published is found by its CID only once all of it has been noted.
const WAIT_MS = 300_000
/** As large as the leaves of files. */
const LEAF_BYTES = 1 << 20
/** What is behind Helia's broker of blocks; the package gives the broker alone. */
const { Bitswap } = await import(new URL('node_modules/@helia/bitswap/dist/src/bitswap.js', import.meta.url))

export async function exchangeWithHelia (checks, node, sizes) {
  const helia = await startHelia()
  try {
    await meet(node, helia)
    await fetchedByHelia(checks, node, helia)
    await fetchedFromHelia(checks, node, helia, 500)
    await muchFetchedByHelia(checks, node, helia, sizes)
    await muchFetchedFromHelia(checks, node, helia, sizes)
  } finally {
    await helia.bitswap.stop()
    await helia.libp2p.stop()
  }
}

/** A peer that speaks nothing but who it is. */
export function startLibp2p ({ listen = ['/ip4/127.0.0.1/tcp/0'], transport = tcp() } = {}) {
  return createLibp2p({
    addresses: { listen },
    transports: [transport],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    // It pings who does not answer pings of those that answer none themselves, and ends the connection.
    connectionMonitor: { enabled: false },
    services: { identify: identify() }
  })
}

/** Helia's bitswap, and blocks that it has. */
export async function startHelia (options) {
  const libp2p = await startLibp2p(options)
  const blockstore = new MemoryBlockstore()
  // Nobody is looked for: who is connected is all there is.
  const routing = { findProviders: async function * () {} }
  const getHasher = async code => {
    if (code !== sha256.code) { throw new Error(`hash function ${code}`) }
    return sha256
  }
  const bitswap = new Bitswap({ libp2p, blockstore, routing, getHasher, logger: libp2p.logger })
  await bitswap.start()
  return { libp2p, blockstore, bitswap }
}

/** Connects them, unless they are: while much is being published nobody says anything, and the node lets go. */
async function meet (node, { libp2p }) {
  await libp2p.dial(multiaddr(node.peers[0]))
}

async function fetchedByHelia (checks, node, { bitswap }) {
  const want = (cid, ms = WAIT_MS) => bitswap.want(CID.parse(cid), { signal: AbortSignal.timeout(ms) })
  const text = 'for Helia\n'
  const { cid } = await node.json(['put', '@me/helia.txt', '-', '--public'], { input: text })
  await checks.check('Helia fetches a block', async () => {
    const found = Buffer.from(await want(cid)).toString()
    if (!found.includes(text)) { throw new Error(`it got ${JSON.stringify(found)}`) }
  })
  const { cid: secret } = await node.json(['put', '@me/helia-secret.txt', '-'], { input: 'not for Helia\n' })
  await checks.check('Helia never gets a private block', async () => {
    await want(secret, 1_000).then(() => { throw new Error('it got it') }, error => {
      if (!/abort|timeout/i.test(`${error.name} ${error.message}`)) { throw error }
    })
  })
}

/** Helia fetches a large file, and a DAG of many small blocks. */
async function muchFetchedByHelia (checks, node, helia, { heliaBlocks, heliaBytes }) {
  const { bitswap } = helia
  const take = async (name, root, count) => checks.check(name, async () => {
    await meet(node, helia)
    const began = Date.now()
    let blocks = 0
    for (let level = [root]; level.length > 0;) {
      const below = []
      await each(level, async cid => {
        const bytes = await bitswap.want(cid, { signal: AbortSignal.timeout(WAIT_MS) })
        blocks++
        if (cid.code !== RAW) { below.push(...linksOf(cid, bytes)) }
      })
      level = below
    }
    console.log(`${name}: ${blocks} blocks in ${Date.now() - began} ms`)
    if (blocks < count) { throw new Error(`there were ${blocks} blocks only`) }
  })
  const file = join(node.dir, 'for-helia.bin')
  await writeNoise(file, heliaBytes)
  const { cid } = await node.json(['put', '@me/for-helia.bin', file, '--public'])
  await take(`Helia fetches ${heliaBytes >> 20} MiB`, CID.parse(cid), heliaBytes >> 20)
  const { root, blocks } = await manyBlocks(heliaBlocks, 'by Helia')
  await node.importCar(car(root, blocks))
  await take(`Helia fetches ${heliaBlocks} small blocks`, root, heliaBlocks)
}

/** The node fetches as much of Helia. */
async function muchFetchedFromHelia (checks, node, helia, { heliaBlocks, heliaBytes }) {
  const { blockstore } = helia
  const fetched = (name, root) => checks.check(name, async () => {
    await meet(node, helia)
    const began = Date.now()
    await pinned(node, root.toString())
    console.log(`${name}: ${Date.now() - began} ms`)
  })
  const { root, blocks } = await manyBlocks(heliaBlocks, 'of Helia')
  for (const [cid, bytes] of blocks) { await blockstore.put(cid, bytes) }
  await fetched(`a node fetches ${heliaBlocks} small blocks from Helia`, root)
  const leaves = []
  for (let n = 0; n < heliaBytes / LEAF_BYTES; n++) {
    const bytes = randomBytes(LEAF_BYTES)
    const cid = await cidOf(RAW, bytes)
    await blockstore.put(cid, bytes)
    leaves.push(cid)
  }
  const list = listOf(leaves)
  const large = await cidOf(DAG_JSON, list)
  await blockstore.put(large, list)
  await fetched(`a node fetches ${heliaBytes >> 20} MiB from Helia`, large)
}

/** Runs `body` for all, some at a time. */
async function each (all, body) {
  let next = 0
  const run = async () => { while (next < all.length) { await body(all[next++]) } }
  await Promise.all(Array.from({ length: 32 }, run))
}

/** The links of a list, or of a node of UnixFS: of its fields (DAG-PB specification) those of its links. */
function linksOf (cid, bytes) {
  if (cid.code === DAG_JSON) {
    return JSON.parse(new TextDecoder().decode(bytes)).map(link => CID.parse(link['/']))
  }
  const field = (bytes, number) => {
    const found = []
    for (let at = 0; at < bytes.length;) {
      const [tag, tagBytes] = varint.decode(bytes.subarray(at))
      const [length, lengthBytes] = varint.decode(bytes.subarray(at + tagBytes))
      const begin = at + tagBytes + lengthBytes
      const end = (tag & 7) === 2 ? begin + length : begin
      if (tag === (number << 3 | 2)) { found.push(bytes.subarray(begin, end)) }
      at = end
    }
    return found
  }
  return field(bytes, 2).flatMap(link => field(link, 1)).map(hash => CID.decode(hash))
}

/** Lists of a thousand leaves each, and a list of those; all blocks, the root last. */
async function manyBlocks (count, text) {
  const blocks = []
  const put = async (code, bytes) => {
    const cid = await cidOf(code, bytes)
    blocks.push([cid, bytes])
    return cid
  }
  const lists = []
  for (let n = 0; n < count;) {
    const leaves = []
    for (let end = Math.min(n + 1_000, count); n < end; n++) { leaves.push(await put(RAW, new TextEncoder().encode(`${text} ${n}`))) }
    lists.push(await put(DAG_JSON, listOf(leaves)))
  }
  return { root: await put(DAG_JSON, listOf(lists)), blocks }
}

function listOf (cids) {
  return new TextEncoder().encode(JSON.stringify(cids.map(cid => ({ '/': cid.toString() }))))
}

async function cidOf (code, bytes) {
  return CID.createV1(code, await sha256.digest(bytes))
}

/** A CAR of version 1. */
function car (root, blocks) {
  const section = bytes => [varint.encodeTo(bytes.length, new Uint8Array(varint.encodingLength(bytes.length))), bytes]
  const word = text => [0x60 + text.length, ...new TextEncoder().encode(text)]
  const link = [0xd8, 0x2a, 0x58, root.bytes.length + 1, 0, ...root.bytes]
  const header = Uint8Array.from([0xa2, ...word('roots'), 0x81, ...link, ...word('version'), 1])
  return Buffer.concat([header, ...blocks.map(([cid, bytes]) => Buffer.concat([cid.bytes, bytes]))].flatMap(section))
}

async function writeNoise (path, bytes) {
  const out = createWriteStream(path)
  for (let n = 0; n < bytes; n += LEAF_BYTES) {
    if (!out.write(randomBytes(LEAF_BYTES))) { await once(out, 'drain') }
  }
  out.end()
  await finished(out)
}

async function fetchedFromHelia (checks, node, { blockstore }, count) {
  const put = async (code, bytes) => {
    const cid = CID.createV1(code, await sha256.digest(bytes))
    await blockstore.put(cid, bytes)
    return cid
  }
  const leaves = []
  for (let n = 0; n < count; n++) {
    leaves.push(await put(RAW, new TextEncoder().encode(`leaf ${n}`)))
  }
  const root = await put(DAG_JSON, new TextEncoder().encode(JSON.stringify({ leaves: leaves.map(cid => ({ '/': cid.toString() })) })))
  await checks.check(`a node fetches ${count} blocks from Helia`, async () => {
    const began = Date.now()
    await pinned(node, root.toString())
    console.log(`a node fetched ${count} blocks from Helia in ${Date.now() - began} ms`)
    const response = await node.fetch(`/ipfs/${leaves[count - 1]}?format=raw`)
    const found = await response.text()
    if (found !== `leaf ${count - 1}`) { throw new Error(`${response.status}: ${found}`) }
  })
}
