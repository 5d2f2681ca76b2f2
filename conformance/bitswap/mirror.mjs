// Helia fetches from a mirror what is public of a core, and nothing else.

import { setTimeout as pause } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { startNode } from '../node.mjs'
import { startHelia } from './helia.mjs'

const MS_MAX = 60_000

export async function mirrored (checks) {
  const origin = await startNode({ settings: '[network]\nreplicate_listen = "127.0.0.1:0"\n' })
  const mirror = await startNode({ settings: '[network]\nlisten = ["/ip4/127.0.0.1/tcp/0"]\n' })
  try {
    await fetched(checks, origin, mirror)
  } finally {
    await origin.stop()
    await mirror.stop()
  }
}

async function fetched (checks, origin, mirror) {
  const put = async (name, ...how) => (await origin.json(['put', `@me/${name}`, '-', ...how], { input: `${name} `.repeat(300_000) })).cid
  const open = await put('open', '--public')
  const secret = await put('secret')
  const closed = await put('closed', '--public')
  await origin.run(['config', '@me', 'exposure/closed', '{"ipfs": false}'])
  const core = origin.core.replace('/', '')
  const added = await mirror.json(['mirror', 'add', core, '--from', origin.replicas[0]])
  await checks.equal('a mirror has what is open everywhere', [added.settled, added.paths, added.lacking], [true, 1, 0])

  await checks.check('Helia fetches from a mirror', async () => {
    const bytes = await want(mirror, open)
    if (bytes === undefined) { throw new Error('it does not come') }
  })
  for (const [name, cid] of [['private', secret], ['closed to IPFS', closed]]) {
    await checks.check(`Helia never gets from a mirror what is ${name}`, async () => {
      if (await want(mirror, cid, 1_000) !== undefined) { throw new Error('it got it') }
    })
  }
  await checks.check('Helia does not get what is published no more', async () => {
    await origin.run(['put', '@me/open', '-'], { input: 'private now' })
    for (const until = Date.now() + MS_MAX; await want(mirror, open, 1_000) !== undefined;) {
      if (Date.now() > until) { throw new Error('it still gets it') }
      await pause(100)
    }
  })
}

/** What somebody gets of a node who has nothing yet. */
async function want (node, cid, ms = MS_MAX) {
  const { libp2p, bitswap } = await startHelia()
  try {
    await libp2p.dial(multiaddr(node.peers[0]))
    return await bitswap.want(CID.parse(cid), { signal: AbortSignal.timeout(ms) })
  } catch (error) {
    if (/abort|timeout/i.test(`${error.name} ${error.message}`)) { return undefined }
    throw error
  } finally {
    await bitswap.stop()
    await libp2p.stop()
  }
}
