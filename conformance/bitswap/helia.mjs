// Helia's bitswap fetches what a node publishes, and the node what Helia has.

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { pinned } from './pins.mjs'

const RAW = 0x55
const DAG_JSON = 0x0129
const WAIT_MS = 60_000
/** What is behind Helia's broker of blocks; the package gives the broker alone. */
const { Bitswap } = await import(new URL('node_modules/@helia/bitswap/dist/src/bitswap.js', import.meta.url))

export async function exchangeWithHelia (checks, node, blocks) {
  const helia = await start()
  try {
    await helia.libp2p.dial(multiaddr(node.peers[0]))
    await fetchedByHelia(checks, node, helia)
    await fetchedFromHelia(checks, node, helia, blocks)
  } finally {
    await helia.bitswap.stop()
    await helia.libp2p.stop()
  }
}

async function start () {
  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() }
  })
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
