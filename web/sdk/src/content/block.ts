/**
 * Blocks: bytes named by their hash.
 *
 * @module
 */

import { sha256 } from '@noble/hashes/sha2.js'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { sameBytes } from '../core/bytes.js'
import { IntegrityError } from '../errors.js'

/** Multicodec of raw bytes. */
export const RAW = 0x55
/** Multicodec of dag-pb, the nodes of UnixFS. */
export const DAG_PB = 0x70

const SHA2_256 = 0x12
const IDENTITY = 0x00
/** Largest block that is taken, in bytes. */
export const BLOCK_BYTES_MAX = 2 * 1024 * 1024

/** Bytes and their CID. */
export interface Block {
  readonly cid: CID
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** Names bytes by their hash. */
export async function hashBlock(codec: number, bytes: Uint8Array<ArrayBuffer>): Promise<Block> {
  return { cid: CID.createV1(codec, Digest.create(SHA2_256, await sha2(bytes))), bytes }
}

/**
 * Checks that bytes are those of a CID.
 *
 * @throws IntegrityError where they are not, or the hash is one that this package does not know.
 */
export async function verifyBlock(cid: CID, bytes: Uint8Array<ArrayBuffer>): Promise<Block> {
  const { code, digest } = cid.multihash
  const good =
    (code === SHA2_256 && sameBytes(await sha2(bytes), digest)) || (code === IDENTITY && sameBytes(bytes, digest))
  if (!good || bytes.length > BLOCK_BYTES_MAX) throw new IntegrityError(`The block ${cid}`)
  return { cid, bytes }
}

/** WebCrypto is there in secure contexts only; without, hashing is slower. */
async function sha2(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const { subtle } = globalThis.crypto
  return subtle ? new Uint8Array(await subtle.digest('SHA-256', bytes)) : sha256(bytes)
}
