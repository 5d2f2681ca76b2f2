// `multiformats`: blocks hashed and links followed by hand.

import { deepStrictEqual as equal } from 'node:assert'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { decode, code as DAG_PB } from '@ipld/dag-pb'

export async function checkMultiformats (checks, { node, cid }) {
  await checks.check('every block of the site hashes to its CID', async () => {
    const waiting = [CID.parse(cid)]
    const seen = new Set()
    while (waiting.length > 0) {
      const next = waiting.pop()
      if (seen.has(next.toString())) {
        continue
      }
      seen.add(next.toString())
      const response = await node.anonymous(`/ipfs/${next}`, { headers: { accept: 'application/vnd.ipld.raw' } })
      equal(response.status, 200)
      const bytes = new Uint8Array(await response.arrayBuffer())
      equal((await sha256.digest(bytes)).bytes, next.multihash.bytes)
      if (next.code === DAG_PB) {
        waiting.push(...decode(bytes).Links.map(link => link.Hash))
      }
    }
    // The directory and the one in it, the large file's node and its six leaves, and five small files.
    equal(seen.size, 14)
  })
  await checks.check('a CID of version 0 and of another base is the same content', async () => {
    const { base36 } = await import('multiformats/bases/base36')
    const response = await node.anonymous(`/ipfs/${CID.parse(cid).toString(base36)}/style.css`)
    equal(response.status, 200)
    equal(await response.text(), 'p { color: green }\n')
  })
}
