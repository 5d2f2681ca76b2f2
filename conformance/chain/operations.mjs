// Operations of a core's log, made here and signed by whoever.

import { randomBytes } from 'node:crypto'
import { encode } from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'

const idOf = async value => CID.createV1(0x71, await sha256.digest(encode(value)))

/**
 * A `put` by an account into its own private core, on top of these heads.
 *
 * @returns `text` to sign, and `signed(signature, block)`: what to post to `/-/ops`
 */
export async function put ({ core, heads, by, path, value }) {
  const body = { salt: new Uint8Array(randomBytes(16)), act: { put: { path, value } } }
  const id = CID.parse(core)
  const header = {
    v: 1, core: id, prev: heads.map(head => CID.parse(head)), by, auth: id, at: BigInt(Date.now()) << 16n, verb: 'put', body: await idOf(body)
  }
  const text = `Kubelt operation\n\nCore: ${core}\nBy: ${by}\nAct: put\nOperation: ${await idOf(header)}`
  const base64 = value => Buffer.from(encode(value)).toString('base64')
  const signed = (signature, block) => {
    const at = block && { block: { chain: 31337, number: Number(block.number), hash: Buffer.from(block.hash.slice(2), 'hex') } }
    const bytes = Buffer.from(signature.slice(2), 'hex')
    return { ops: [{ signed: base64({ header, scheme: 'eip1271', signature: bytes, ...at }), body: base64(body) }] }
  }
  return { text, signed }
}
