// Helia as it runs in a browser: it has WebSockets and nothing else, and opens them only where a browser would believe the
// certificate. Connects to the peer at an address, wants a block for so many milliseconds, and prints its bytes.

import { writeSync } from 'node:fs'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'

// What Helia's libraries take for granted, and Node.js has since version 22.
Promise.withResolvers ??= () => {
  const made = {}
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }))
  return made
}
const { startHelia } = await import('./helia.mjs')

const [address, cid, ms] = process.argv.slice(2)
const { libp2p, bitswap } = await startHelia({ listen: [], transport: webSockets() })
await libp2p.dial(multiaddr(address), { signal: AbortSignal.timeout(20_000) })
writeSync(1, await bitswap.want(CID.parse(cid), { signal: AbortSignal.timeout(Number(ms)) }))
process.exit(0)
