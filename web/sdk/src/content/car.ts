/**
 * CARs (version 1): many blocks in one stream.
 *
 * @module
 */

import { CID } from 'multiformats/cid'
import { concat } from '../core/bytes.js'
import { encode } from '../core/dag-cbor.js'
import { IntegrityError } from '../errors.js'
import { BLOCK_BYTES_MAX, type Block, verifyBlock } from './block.js'
import { readVarint, varint } from './varint.js'

/** Longest header of a CAR that is read, in bytes. */
const HEADER_BYTES_MAX = 32 * 1024
/** Room for a CID beside its block, in bytes. */
const CID_BYTES_MAX = 160

/** A CAR of blocks. */
export function encodeCar(roots: readonly CID[], blocks: readonly Block[]): Uint8Array<ArrayBuffer> {
  const header = encode({ version: 1, roots: [...roots] })
  const sections = blocks.flatMap(({ cid, bytes }) => [varint(cid.bytes.length + bytes.length), cid.bytes, bytes])
  return concat([varint(header.length), header, ...sections])
}

/**
 * The blocks of a CAR, each checked against its CID.
 *
 * @throws IntegrityError where it is none, or a block is not what it says.
 */
export async function* decodeCar(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Block> {
  let waiting: Uint8Array<ArrayBuffer> = new Uint8Array(0)
  let isHeader = true
  for await (const piece of stream) {
    waiting = concat([waiting, piece])
    for (let section = take(waiting); section; section = take(waiting)) {
      waiting = waiting.slice(section.end)
      if (!isHeader) yield await readSection(section.bytes)
      isHeader = false
    }
    const most = isHeader ? HEADER_BYTES_MAX : BLOCK_BYTES_MAX + CID_BYTES_MAX
    const length = readVarint(waiting)?.value ?? 0
    if (length > most) throw new IntegrityError('The CAR')
  }
  if (waiting.length > 0) throw new IntegrityError('The CAR, which ended too early,')
}

function take(bytes: Uint8Array<ArrayBuffer>): { bytes: Uint8Array<ArrayBuffer>; end: number } | undefined {
  const length = readVarint(bytes)
  if (!length) return undefined
  const end = length.length + length.value
  return end <= bytes.length ? { bytes: bytes.slice(length.length, end), end } : undefined
}

async function readSection(section: Uint8Array<ArrayBuffer>): Promise<Block> {
  try {
    const [cid, bytes] = CID.decodeFirst(section)
    return await verifyBlock(cid, new Uint8Array(bytes))
  } catch (error) {
    throw error instanceof IntegrityError ? error : new IntegrityError('A section of the CAR')
  }
}
