/**
 * Ids of the log: CIDs (CIDv1, dag-cbor, sha2-256) as text, one type for each kind of block.
 *
 * @module
 */

import { sha256 } from '@noble/hashes/sha2.js'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { DecodeError } from './errors.js'

const DAG_CBOR = 0x71
const SHA2_256 = 0x12

declare const kind: unique symbol
type Id<Kind extends string> = string & { readonly [kind]: Kind }

/** A core: the CID of its genesis block. */
export type CoreId = Id<'core'>
/** An operation: the CID of its header. */
export type OpId = Id<'op'>
/** A body block. */
export type BodyId = Id<'body'>
/** A sign-in: the hash of its message and scheme. */
export type LoginId = Id<'login'>

/** The id of a block with these canonical bytes. */
export function idOf<T extends CoreId | OpId | BodyId | LoginId>(bytes: Uint8Array): T {
  return idOfDigest(sha256(bytes))
}

/** The id with this sha2-256 digest. */
export function idOfDigest<T extends CoreId | OpId | BodyId | LoginId>(digest: Uint8Array): T {
  return CID.createV1(DAG_CBOR, Digest.create(SHA2_256, digest)).toString() as T
}

/** Whether a CID is an id of the log. */
export function isId(cid: CID): boolean {
  return cid.version === 1 && cid.code === DAG_CBOR && cid.multihash.code === SHA2_256 && cid.multihash.size === 32
}

/**
 * Reads the text of an id.
 *
 * @throws DecodeError when it is none.
 */
export function parseId<T extends CoreId | OpId | BodyId | LoginId>(text: string): T {
  let cid: CID | undefined
  try {
    cid = CID.parse(text)
  } catch {}
  if (!cid || !isId(cid)) {
    throw new DecodeError(`\`${text.slice(0, 128)}\` is not a CIDv1 of a dag-cbor block hashed with sha2-256`)
  }
  return cid.toString() as T
}

/** The link to what an id names. */
export function linkOf(id: CoreId | OpId | BodyId | LoginId): CID {
  return CID.parse(id)
}

/** The sha2-256 digest in an id. */
export function digestOf(id: CoreId | OpId | BodyId | LoginId): Uint8Array {
  return CID.parse(id).multihash.digest
}

/** The genesis seen as an authority: what acts by the root names it as its `auth`. */
export function asRoot(core: CoreId): OpId {
  return core as string as OpId
}

/** The order of ids: that of their digests, which base32's own alphabet is not in. */
export function compareIds(a: string, b: string): number {
  if (a === b) return 0
  const end = Math.min(a.length, b.length)
  for (let i = 0; i < end; i++) {
    const difference = rank(a.charCodeAt(i)) - rank(b.charCodeAt(i))
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** In base32, `a` to `z` stand for 0 to 25 and `2` to `7` for 26 to 31. */
function rank(code: number): number {
  return code >= 97 ? code - 97 : code - 24
}
