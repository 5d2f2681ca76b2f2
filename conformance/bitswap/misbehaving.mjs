// Peers that misbehave, on libp2p as others write it: one that answers with forged blocks, one that says to have what it
// never sends, and one that floods. The node goes on, counts what they do, and fetches from an honest peer.

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import * as lp from 'it-length-prefixed'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { startNode } from '../node.mjs'
import { startHelia, startLibp2p } from './helia.mjs'
import { pinned } from './pins.mjs'

// What is behind Helia's broker of blocks; the package gives the broker alone.
const inner = path => import(new URL(`node_modules/@helia/bitswap/dist/src/${path}`, import.meta.url))
const { BitswapMessage } = await inner('pb/message.js')
const { Network } = await inner('network.js')
const { QueuedBitswapMessage } = await inner('utils/bitswap-message.js')
const PROTOCOL = '/ipfs/bitswap/1.2.0'
const RAW = 0x55
const DAG_JSON = 0x0129
/** The length of a message of 5 MiB, where 4 are the most (Bitswap specification). */
const TOO_LONG = Uint8Array.of(0x80, 0x80, 0xc0, 0x02)
const [WANT_BLOCK, WANT_HAVE, HAVE] = ['WantBlock', 'WantHave', 'HaveBlock']

export async function misbehavingPeers (checks) {
  for (const [name, misbehave, expected] of [
    ['forges blocks', forge, { bitswap_refused_blocks: 1 }],
    ['says to have what it never sends', stall, { bitswap_stalls: 1 }]
  ]) {
    await withNode(async (node, helia) => {
      const bad = await startLibp2p()
      try {
        await misbehave(bad)
        await bad.dial(multiaddr(node.peers[0]))
        await checks.check(`a node fetches what it wants although a peer ${name}`, async () => {
          const root = await dag(helia, 300)
          await helia.libp2p.dial(multiaddr(node.peers[0]))
          await pinned(node, root.toString())
          await counted(node, expected)
        })
      } finally {
        await bad.stop()
      }
    })
  }
  await withNode((node, helia) => floods(checks, node, helia))
}

async function withNode (check) {
  const node = await startNode({ settings: '[network]\nlisten = ["/ip4/127.0.0.1/tcp/0"]\n' })
  const helia = await startHelia()
  try {
    await check(node, helia)
  } finally {
    await helia.bitswap.stop()
    await helia.libp2p.stop()
    await node.stop()
  }
}

/** Has everything, and gives other bytes. */
async function forge (libp2p) {
  await answer(libp2p, (said, cid, { wantType }) => {
    if (wantType !== WANT_HAVE) {
      said.addBlock(cid, { prefix: Uint8Array.of(1, RAW, 0x12, 32), data: randomBytes(100) })
    } else {
      said.addBlockPresence(cid, { cid: cid.bytes, type: HAVE })
    }
  })
}

/** Has everything, and gives nothing. */
async function stall (libp2p) {
  await answer(libp2p, (said, cid) => said.addBlockPresence(cid, { cid: cid.bytes, type: HAVE }))
}

/** Answers what peers want by `make`, over Helia's own streams. */
async function answer (libp2p, make) {
  const network = new Network({ libp2p, routing: {}, logger: libp2p.logger })
  network.addEventListener('bitswap:message', ({ detail: { peer, message } }) => {
    const wants = message.wantlist?.entries.filter(entry => !entry.cancel) ?? []
    if (wants.length === 0) { return }
    const said = new QueuedBitswapMessage()
    for (const want of wants) { make(said, CID.decode(want.cid), want) }
    // The node may have closed the connection: that is what it should do.
    network.sendMessage(peer, said).catch(() => {})
  })
  await network.start()
}

/** Sends lists of wants without end, opens stream after stream, sends what is too long, and a long message byte by byte. */
async function floods (checks, node, helia) {
  const flood = async () => {
    const bad = await startLibp2p()
    const connection = await bad.dial(multiaddr(node.peers[0]))
    const open = () => connection.newStream(PROTOCOL, { maxOutboundStreams: 10_000 })
    return { bad, connection, open }
  }
  const { bad, open } = await flood()
  await checks.check('a peer that wants without end is answered in turn', async () => {
    const stream = await open()
    for (let n = 0; n < 12; n++) {
      const entries = []
      for (let m = 0; m < 1_000; m++) { entries.push(want(await cidOf(randomBytes(8)))) }
      const message = { wantlist: { entries, full: false }, blocks: [], blockPresences: [], pendingBytes: 0 }
      if (!stream.send(lp.encode.single(BitswapMessage.encode(message)))) { await stream.onDrain() }
    }
    // More than may wait for an answer is dropped: how many those are depends on who is faster.
    await counted(node, { 'bitswap_wants_lacked bitswap_wants_overflown': 5_000, bitswap_wants_lacked: 1_000 })
  })
  await checks.check('a peer that opens too many streams is blamed for it', async () => {
    // Each with the beginning of a message, so that none is idle.
    for (let n = 0; n < 400; n++) {
      const stream = await open().catch(() => null)
      attempt(() => stream?.send(Uint8Array.of(100, 1)))
    }
    await counted(node, { peer_offences: 1 })
  })
  await bad.stop()

  const slow = await flood()
  const trickled = await slow.open()
  const dropped = new Promise(done => trickled.addEventListener('close', done, { once: true }))
  trickled.send(lp.encode.single(new Uint8Array(10_000)).subarray(0, 100))
  const trickle = setInterval(() => attempt(() => trickled.send(Uint8Array.of(0))), 500)

  const loud = await flood()
  await checks.check('a peer that sends messages which are too long is banned', async () => {
    const closed = new Promise(done => loud.connection.addEventListener('close', done, { once: true }))
    const sending = (async () => {
      while (loud.connection.status === 'open') {
        const stream = await loud.open().catch(() => null)
        attempt(() => stream?.send(TOO_LONG))
        await pause(20)
      }
    })()
    await closed
    await sending
    await counted(node, { bitswap_refused_blocks: 1, peer_offences: 2 })
  })
  await loud.bad.stop()
  await checks.check('an honest peer is served and asked meanwhile', async () => {
    await helia.libp2p.dial(multiaddr(node.peers[0]))
    await pinned(node, (await dag(helia, 100)).toString())
    const { cid } = await node.json(['put', '@me/meanwhile.txt', '-', '--public'], { input: 'meanwhile\n' })
    const found = Buffer.from(await helia.bitswap.want(CID.parse(cid), { signal: AbortSignal.timeout(30_000) }))
    if (!found.includes('meanwhile')) { throw new Error(`it got ${found}`) }
  })
  await checks.check('a message that comes byte by byte is waited for only so long', async () => {
    await Promise.race([dropped, pause(60_000).then(() => { throw new Error('it is waited for still') })])
  })
  clearInterval(trickle)
  await slow.bad.stop()
  await checks.check('the node took little memory for all that', () => {
    const kib = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${node.pid}/status`, 'utf8'))?.[1] ?? 0)
    if (kib > 400 << 10) { throw new Error(`it took ${kib} KiB`) }
  })
}

/** What the other side may have put an end to. */
function attempt (send) {
  try { send() } catch {}
}

function want (cid) {
  return { cid: cid.bytes, priority: 1, cancel: false, wantType: WANT_BLOCK, sendDontHave: true }
}

async function cidOf (bytes) {
  return CID.createV1(RAW, await sha256.digest(bytes))
}

/** A DAG of so many leaves that only Helia has; gives its root. */
async function dag ({ blockstore }, count) {
  const leaves = []
  const put = async (code, bytes) => {
    const cid = CID.createV1(code, await sha256.digest(bytes))
    await blockstore.put(cid, bytes)
    return cid
  }
  for (let n = 0; n < count; n++) { leaves.push(await put(RAW, randomBytes(1_000))) }
  return put(DAG_JSON, new TextEncoder().encode(JSON.stringify(leaves.map(cid => ({ '/': cid.toString() })))))
}

/** Waits until the node has counted so much of each at least; of several names in one, together. */
async function counted (node, expected) {
  let text = ''
  for (let tries = 0; tries < 100; tries++) {
    text = await (await node.anonymous('/metrics')).text()
    const value = name => Number(new RegExp(`^kubelt_${name}(?:_total)? (\\d+)`, 'm').exec(text)?.[1] ?? 0)
    const sum = names => names.split(' ').reduce((all, name) => all + value(name), 0)
    if (Object.entries(expected).every(([names, least]) => sum(names) >= least)) { return }
    await pause(100)
  }
  const figures = text.split('\n').filter(line => /^kubelt_(bitswap|peer)/.test(line)).join('; ')
  throw new Error(`it did not count ${JSON.stringify(expected)}: ${figures}`)
}
