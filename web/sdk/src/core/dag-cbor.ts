/**
 * Canonical dag-cbor (<https://ipld.io/specs/codecs/dag-cbor/spec/>): one value, one encoding.
 *
 * A codec of its own, because ids are hashes of bytes: it tells floats from integers (`1.0` is not `1`), keeps every key
 * an object can have, and refuses whatever is valid CBOR but not *the* encoding.
 *
 * @module
 */

import { CID } from 'multiformats/cid'
import { bytesOf, compareBytes, textOf } from './bytes.js'
import { DecodeError } from './errors.js'
import { CBOR_DEPTH_MAX } from './limits.js'

/** A float with an integral value, which a plain `number` could not tell from an integer. */
export class Float {
  constructor(readonly value: number) {}
}

/** A value of the map. Integral `number`s and `bigint`s are integers, other `number`s and {@link Float} are floats. */
export type Value = null | boolean | number | bigint | Float | string | Uint8Array | CID | Value[] | ValueMap

/** A map with text keys. */
export interface ValueMap {
  [key: string]: Value
}

const CID_TAG = 42
const U64_MAX = (1n << 64n) - 1n

/** Whether a value is a map. */
export function isMap(value: Value | undefined): value is ValueMap {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return !(value instanceof Float || value instanceof Uint8Array || CID.asCID(value))
}

/**
 * The canonical bytes of a value.
 *
 * @throws TypeError for what dag-cbor cannot hold: NaN, infinities, integers beyond 64 bits, lone surrogates.
 */
export function encode(value: Value): Uint8Array<ArrayBuffer> {
  const writer = new Writer()
  writer.value(value, 0)
  return writer.finish()
}

/**
 * The value of canonical bytes.
 *
 * @throws DecodeError when the bytes are not the one canonical encoding of a value.
 */
export function decode(bytes: Uint8Array): Value {
  const reader = new Reader(bytes)
  const value = reader.value(0)
  if (reader.at !== bytes.length) throw new DecodeError('bytes follow the end of the block')
  return value
}

class Writer {
  private bytes = new Uint8Array(256)
  private length = 0

  finish(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.length)
  }

  value(value: Value, depth: number): void {
    if (depth > CBOR_DEPTH_MAX) throw new TypeError(`a value nests ${CBOR_DEPTH_MAX} levels at most`)
    if (value === null) return this.push(0xf6)
    switch (typeof value) {
      case 'boolean':
        return this.push(value ? 0xf5 : 0xf4)
      case 'string':
        return this.text(value)
      case 'bigint':
        return this.integer(value)
      case 'number':
        return Number.isInteger(value) ? this.integer(BigInt(value)) : this.float(value)
    }
    if (value instanceof Float) return this.float(value.value)
    if (value instanceof Uint8Array) {
      this.head(2, BigInt(value.length))
      return this.all(value)
    }
    if (Array.isArray(value)) {
      this.head(4, BigInt(value.length))
      for (const item of value) this.value(item, depth + 1)
      return
    }
    const cid = CID.asCID(value)
    if (cid) return this.link(cid)
    this.map(value as ValueMap, depth)
  }

  private map(map: ValueMap, depth: number): void {
    const fields = Object.keys(map).filter((key) => map[key] !== undefined)
    const sorted = fields.map((key) => [bytesOf(key), key] as const)
    sorted.sort(([a], [b]) => a.length - b.length || compareBytes(a, b))
    this.head(5, BigInt(sorted.length))
    for (const [, key] of sorted) {
      this.text(key)
      this.value(map[key] as Value, depth + 1)
    }
  }

  private text(text: string): void {
    if (!text.isWellFormed()) throw new TypeError('text with a lone surrogate has no UTF-8')
    const bytes = bytesOf(text)
    this.head(3, BigInt(bytes.length))
    this.all(bytes)
  }

  private link(cid: CID): void {
    this.all(Uint8Array.of(0xd8, CID_TAG))
    this.head(2, BigInt(cid.bytes.length + 1))
    this.push(0)
    this.all(cid.bytes)
  }

  private integer(value: bigint): void {
    const [major, magnitude] = value < 0n ? [1, -1n - value] : [0, value]
    if (magnitude > U64_MAX) throw new TypeError('an integer has 64 bits at most')
    this.head(major, magnitude)
  }

  private float(value: number): void {
    if (!Number.isFinite(value)) throw new TypeError('dag-cbor has neither NaN nor infinities')
    const bytes = new Uint8Array(9)
    bytes[0] = 0xfb
    // Zero has one sign.
    new DataView(bytes.buffer).setFloat64(1, value === 0 ? 0 : value)
    this.all(bytes)
  }

  private head(major: number, n: bigint): void {
    const type = major << 5
    if (n < 24n) return this.push(type | Number(n))
    const size = n < 0x100n ? 1 : n < 0x1_0000n ? 2 : n < 0x1_0000_0000n ? 4 : 8
    const bytes = new Uint8Array(1 + size)
    bytes[0] = type | (24 + Math.log2(size))
    for (let i = size, rest = n; i > 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn)
    this.all(bytes)
  }

  private push(byte: number): void {
    this.all(Uint8Array.of(byte))
  }

  private all(bytes: Uint8Array): void {
    const end = this.length + bytes.length
    if (end > this.bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.bytes.length))
      grown.set(this.bytes.subarray(0, this.length))
      this.bytes = grown
    }
    this.bytes.set(bytes, this.length)
    this.length = end
  }
}

class Reader {
  at = 0

  constructor(private readonly bytes: Uint8Array) {}

  value(depth: number): Value {
    if (depth > CBOR_DEPTH_MAX) throw new DecodeError(`a block nests ${CBOR_DEPTH_MAX} levels at most`)
    const first = this.take(1)[0] as number
    if (first === 0xf4) return false
    if (first === 0xf5) return true
    if (first === 0xf6) return null
    if (first === 0xfb) return this.float()
    const [major, n] = [first >> 5, this.argument(first & 31)]
    switch (major) {
      case 0:
        return plain(n)
      case 1:
        return plain(-1n - n)
      case 2:
        return this.take(this.size(n)).slice()
      case 3:
        return this.text(n)
      case 4:
        return Array.from({ length: this.size(n) }, () => this.value(depth + 1))
      case 5:
        return this.map(n, depth)
      case 6:
        return this.link(n)
    }
    throw new DecodeError('a simple value that dag-cbor does not have')
  }

  private map(n: bigint, depth: number): ValueMap {
    const map: ValueMap = {}
    let before: Uint8Array | undefined
    for (let left = this.size(n); left > 0; left--) {
      const first = this.take(1)[0] as number
      if (first >> 5 !== 3) throw new DecodeError('the key of a map is no text')
      const from = this.at
      const key = this.text(this.argument(first & 31))
      const bytes = bytesOf(key)
      if (before && (before.length - bytes.length || compareBytes(before, bytes)) >= 0) {
        throw new DecodeError('the keys of a map are not sorted and distinct', from)
      }
      before = bytes
      // Not by assignment: `__proto__` is a key like any other.
      const value = this.value(depth + 1)
      Object.defineProperty(map, key, { value, enumerable: true, writable: true, configurable: true })
    }
    return map
  }

  private text(n: bigint): string {
    const text = textOf(this.take(this.size(n)))
    if (text === undefined) throw new DecodeError('text that is not UTF-8')
    return text
  }

  private link(tag: bigint): CID {
    if (tag !== BigInt(CID_TAG)) throw new DecodeError(`tag ${tag} is not one of dag-cbor`)
    const first = this.take(1)[0] as number
    if (first >> 5 !== 2) throw new DecodeError('a link holds bytes')
    const bytes = this.take(this.size(this.argument(first & 31)))
    if (bytes[0] !== 0) throw new DecodeError('a link begins with 0')
    try {
      return CID.decode(bytes.slice(1))
    } catch {
      throw new DecodeError('a link holds no CID')
    }
  }

  private float(): number | Float {
    const bytes = this.take(8)
    const value = new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0)
    if (!Number.isFinite(value) || Object.is(value, -0)) {
      throw new DecodeError('a float is neither NaN, nor infinite, nor a negative zero')
    }
    return Number.isInteger(value) ? new Float(value) : value
  }

  private argument(info: number): bigint {
    if (info < 24) return BigInt(info)
    if (info > 27) throw new DecodeError('a length that is not given, or not known')
    const size = 1 << (info - 24)
    let n = 0n
    for (const byte of this.take(size)) n = (n << 8n) | BigInt(byte)
    const least = size === 1 ? 24n : 1n << BigInt(4 * size)
    if (n < least) throw new DecodeError('an integer is longer than it need be')
    return n
  }

  /** A number of things that the block has room for, one byte each at least. */
  private size(n: bigint): number {
    if (n > BigInt(this.bytes.length - this.at)) throw new DecodeError('the block ends too early')
    return Number(n)
  }

  private take(count: number): Uint8Array {
    const end = this.at + count
    if (end > this.bytes.length) throw new DecodeError('the block ends too early')
    const bytes = this.bytes.subarray(this.at, end)
    this.at = end
    return bytes
  }
}

function plain(n: bigint): number | bigint {
  const number = Number(n)
  return Number.isSafeInteger(number) ? number : n
}
