// `@helia/verified-fetch`: checks every block itself. The node is its only gateway and router, and it has no libp2p.

import { deepStrictEqual as equal, ok } from 'node:assert'
import { createHeliaLight } from 'helia'
import { withHTTP } from '@helia/http'
import { createVerifiedFetch } from '@helia/verified-fetch'

/** A fetch must not outlast this. */
const MS_MAX = 20_000

export async function checkVerifiedFetch (checks, { node, files, cid }) {
  const helia = await withHTTP(createHeliaLight(), {
    recursiveGateways: [node.url], delegatedRouters: [node.url], allowInsecure: true, allowLocal: true
  }).start()
  const client = await createVerifiedFetch(helia)
  const verifiedFetch = (url, init) => client(url, { ...init, signal: AbortSignal.timeout(MS_MAX) })
  for (const [path, bytes] of Object.entries(files)) {
    await checks.check(`verified-fetch gets ${path}`, async () => {
      const response = await verifiedFetch(`ipfs://${cid}/${path}`)
      equal(response.status, 200)
      ok(Buffer.from(await response.arrayBuffer()).equals(Buffer.from(bytes)), 'other bytes')
    })
  }
  await checks.check('verified-fetch gets the index page of a directory', async () => {
    equal(await (await verifiedFetch(`ipfs://${cid}/`)).text(), files['index.html'])
  })
  await checks.check('verified-fetch gets a range', async () => {
    const response = await verifiedFetch(`ipfs://${cid}/large.bin`, { headers: { range: 'bytes=1048570-1048585' } })
    equal(response.status, 206)
    ok(Buffer.from(await response.arrayBuffer()).equals(files['large.bin'].subarray(1048570, 1048586)), 'other bytes')
  })
  await checks.check('verified-fetch gets a CAR', async () => {
    const response = await verifiedFetch(`ipfs://${cid}`, { headers: { accept: 'application/vnd.ipld.car' } })
    equal(response.status, 200)
    ok((await response.arrayBuffer()).byteLength > files['large.bin'].length, 'too short')
  })
  await checks.check('verified-fetch finds nothing where there is nothing', async () => {
    equal((await verifiedFetch(`ipfs://${cid}/none`)).status, 404)
  })
  await client.stop()
}
