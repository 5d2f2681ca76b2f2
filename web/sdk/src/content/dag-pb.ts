/**
 * dag-pb, the nodes of UnixFS: links, then data.
 *
 * @module
 */

import { CID } from 'multiformats/cid'
import { bytesOf, concat, textOf } from '../core/bytes.js'
import { IntegrityError } from '../errors.js'
import { readVarint, varint } from './varint.js'

/** A link of a node. */
export interface PbLink {
  readonly cid: CID
  readonly name: string
  /** Bytes of all blocks below, as whoever wrote the link says. */
  readonly tsize: number
}

/** A node. */
export interface PbNode {
  readonly links: readonly PbLink[]
  readonly data: Uint8Array
}

/** One field of a protobuf message. */
export interface Field {
  readonly number: number
  readonly value: number | Uint8Array
}

/** A field with bytes. */
export function bytesField(number: number, bytes: Uint8Array): Uint8Array {
  return concat([varint((number << 3) | 2), varint(bytes.length), bytes])
}

/** A field with a number. */
export function numberField(number: number, value: number): Uint8Array {
  return concat([varint(number << 3), varint(value)])
}

/**
 * Reads the fields of a protobuf message.
 *
 * @throws IntegrityError where it is none.
 */
export function readFields(message: Uint8Array): Field[] {
  const fields: Field[] = []
  let at = 0
  const next = () => {
    const read = readVarint(message, at)
    if (!read) throw malformed()
    at += read.length
    return read.value
  }
  while (at < message.length) {
    const tag = next()
    const [number, type] = [Math.floor(tag / 8), tag % 8]
    if (type === 0) {
      fields.push({ number, value: next() })
      continue
    }
    const length = type === 2 ? next() : type === 5 ? 4 : type === 1 ? 8 : Number.NaN
    if (!(at + length <= message.length)) throw malformed()
    fields.push({ number, value: message.subarray(at, at + length) })
    at += length
  }
  return fields
}

/** The bytes of a node. */
export function encodeNode(links: readonly PbLink[], data: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat([...links.map((link) => bytesField(2, encodeLink(link))), bytesField(1, data)])
}

/**
 * Reads a node.
 *
 * @throws IntegrityError where it is none.
 */
export function decodeNode(block: Uint8Array): PbNode {
  const links: PbLink[] = []
  let data: Uint8Array = new Uint8Array(0)
  for (const { number, value } of readFields(block)) {
    if (typeof value === 'number') throw malformed()
    if (number === 1) data = value
    else if (number === 2) links.push(decodeLink(value))
    else throw malformed()
  }
  return { links, data }
}

function encodeLink({ cid, name, tsize }: PbLink): Uint8Array {
  return concat([bytesField(1, cid.bytes), bytesField(2, bytesOf(name)), numberField(3, tsize)])
}

function decodeLink(message: Uint8Array): PbLink {
  let [cid, name, tsize] = [undefined as CID | undefined, '', 0]
  for (const { number, value } of readFields(message)) {
    if (number === 1 && typeof value !== 'number') cid = readCid(value)
    else if (number === 2 && typeof value !== 'number') name = textOf(value) ?? ''
    else if (number === 3 && typeof value === 'number') tsize = value
    else throw malformed()
  }
  if (!cid) throw malformed()
  return { cid, name, tsize }
}

function readCid(bytes: Uint8Array): CID {
  try {
    return CID.decode(bytes)
  } catch {
    throw malformed()
  }
}

function malformed(): IntegrityError {
  return new IntegrityError('A node of UnixFS')
}
