/**
 * Files of any size in authenticated chunks (`spec/sealed.md`, form `chunks`): AES-256-GCM in the STREAM construction, so
 * that chunks that were changed, moved, repeated, left out or cut off do not open. Memory does not grow with the file.
 *
 * @module
 */

import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { cut, type FileData } from '../content/pieces.js'
import { bytesOf, concat, sameBytes } from '../core/bytes.js'
import { KubeltError } from '../errors.js'
import { random, sameSecret } from './bytes.js'

/** Bytes of a header. */
export const HEADER_BYTES = 64
/** The media type of such files. */
export const CHUNKS_MEDIA_TYPE = 'application/vnd.kubelt.sealed'

const MAGIC = bytesOf('kbsealed')
const VERSION = 1
const INFO = bytesOf('kubelt sealed file v1')
const BOUND_BYTES = 32
const SALT_AT = 16
const TAG_BYTES = 16
const LOG2 = 16
const LOG2_MIN = 12
const LOG2_MAX = 22

/** Chunks to read for a range of the plaintext. */
export interface Span {
  /** The first chunk. */
  readonly first: number
  /** The chunk that is the file's last. */
  readonly last: number
  /** The bytes to read of the sealed file; `to` is not among them. */
  readonly from: number
  readonly to: number
  /** Bytes of plaintext to leave out before the range, and in it. */
  readonly skip: number
  readonly bytes: number
}

/** The cipher of one file. */
export class FileCipher {
  private constructor(
    /** What stands before the chunks. */
    readonly header: Uint8Array<ArrayBuffer>,
    private readonly log2: number,
    private readonly key: CryptoKey,
  ) {}

  /**
   * For a new file.
   *
   * @param contentKey 32 random bytes, never used for another file
   */
  static async create(contentKey: Uint8Array, log2 = LOG2, salt: Uint8Array = random(16)): Promise<FileCipher> {
    const bound = concat([MAGIC, Uint8Array.of(VERSION, log2, 0, 0, 0, 0, 0, 0), salt])
    const [key, commitment] = derive(contentKey, bound)
    return new FileCipher(concat([bound, commitment]), log2, await importKey(key))
  }

  /**
   * For a file that is there, by its header of 64 bytes.
   *
   * @throws KubeltError `not-sealed` where that is none, `wrong-key` where the key is another file's.
   */
  static async open(contentKey: Uint8Array, header: Uint8Array): Promise<FileCipher> {
    const log2 = chunkLog2(header)
    const bound = header.slice(0, BOUND_BYTES)
    const [key, commitment] = derive(contentKey, bound)
    if (!sameSecret(commitment, header.subarray(BOUND_BYTES)))
      throw new KubeltError('wrong-key', 'The content key is not the one of this file.', 'Fetch the file again.')
    return new FileCipher(header.slice(), log2, await importKey(key))
  }

  /** The sealed file. */
  async *seal(data: FileData): AsyncGenerator<Uint8Array> {
    yield this.header
    for await (const [number, chunk, isLast] of numbered(cut(data, this.chunkBytes))) {
      yield new Uint8Array(await crypto.subtle.encrypt(this.nonce(number, isLast), this.key, chunk))
    }
  }

  /**
   * The plaintext of what follows the header, each chunk once it is authentic.
   *
   * @throws KubeltError `sealed-changed`; what was given before is a true beginning of the file.
   */
  async *open(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const [number, chunk, isLast] of numbered(cut(body, this.sealedBytes))) {
      yield await this.unseal(number, isLast, chunk)
    }
  }

  /** The plaintext of a span; `part` gives the bytes that it names. */
  async *openSpan(part: AsyncIterable<Uint8Array>, span: Span): AsyncGenerator<Uint8Array> {
    let { skip, bytes: left } = span
    let number = span.first
    for await (const chunk of cut(part, this.sealedBytes)) {
      const plain = await this.unseal(number, number === span.last, chunk)
      const wanted = plain.subarray(skip, skip + left)
      left -= wanted.length
      skip = 0
      number++
      if (wanted.length > 0) yield wanted
      if (left === 0) return
    }
    throw changed(number)
  }

  /**
   * What to read for the bytes `from` to `to` (not among them) of the plaintext of a file of `sealed` bytes; a range that ends
   * behind the file ends with it.
   *
   * @returns `undefined` where the file has no such bytes
   * @throws KubeltError `sealed-changed` where no file has so many bytes.
   */
  span(sealed: number, from: number, to: number): Span | undefined {
    const plain = this.plainBytes(sealed)
    const end = Math.min(to, plain)
    if (!(from >= 0 && from < end)) return undefined
    const [first, until] = [Math.floor(from / this.chunkBytes), Math.floor((end - 1) / this.chunkBytes)]
    const start = (chunk: number) => HEADER_BYTES + chunk * this.sealedBytes
    return {
      first,
      last: Math.floor((plain - 1) / this.chunkBytes),
      from: start(first),
      to: Math.min(start(until + 1), sealed),
      skip: from - first * this.chunkBytes,
      bytes: end - from,
    }
  }

  /**
   * Bytes of plaintext in a sealed file of so many bytes.
   *
   * @throws KubeltError `sealed-changed` where no file has so many.
   */
  plainBytes(sealed: number): number {
    const body = sealed - HEADER_BYTES
    const [full, rest] = [Math.floor(body / this.sealedBytes), body % this.sealedBytes]
    if (rest === 0 && full > 0) return full * this.chunkBytes
    if (rest > TAG_BYTES || (rest === TAG_BYTES && full === 0)) return full * this.chunkBytes + rest - TAG_BYTES
    throw changed(full)
  }

  private get chunkBytes(): number {
    return 2 ** this.log2
  }

  private get sealedBytes(): number {
    return this.chunkBytes + TAG_BYTES
  }

  private async unseal(number: number, isLast: boolean, chunk: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    // An empty chunk behind another would be a second form of the same file.
    if (chunk.length < TAG_BYTES || (chunk.length === TAG_BYTES && number > 0)) throw changed(number)
    try {
      return new Uint8Array(await crypto.subtle.decrypt(this.nonce(number, isLast), this.key, chunk))
    } catch {
      throw changed(number)
    }
  }

  private nonce(number: number, isLast: boolean): AesGcmParams {
    const iv = new Uint8Array(12)
    new DataView(iv.buffer).setBigUint64(3, BigInt(number))
    iv[11] = isLast ? 1 : 0
    return { name: 'AES-GCM', iv }
  }
}

/** Splits a stream into a header and what follows it. */
export async function splitHeader(
  file: AsyncIterable<Uint8Array>,
): Promise<[header: Uint8Array, body: AsyncGenerator<Uint8Array>]> {
  const pieces = file[Symbol.asyncIterator]()
  let start = new Uint8Array(0)
  while (start.length < HEADER_BYTES) {
    const next = await pieces.next()
    if (next.done) throw notSealed()
    start = concat([start, next.value])
  }
  const body = async function* () {
    yield start.subarray(HEADER_BYTES)
    for (let next = await pieces.next(); !next.done; next = await pieces.next()) yield next.value
  }
  return [start.slice(0, HEADER_BYTES), body()]
}

/** Chunks with their number, and whether they are the last. */
async function* numbered<T>(chunks: AsyncIterable<T>): AsyncGenerator<[number: number, chunk: T, isLast: boolean]> {
  let before: [T] | undefined
  let number = 0
  for await (const chunk of chunks) {
    if (before) yield [number++, before[0], false]
    before = [chunk]
  }
  if (before) yield [number, before[0], true]
}

function chunkLog2(header: Uint8Array): number {
  const isOurs = header.length === HEADER_BYTES && sameBytes(header.subarray(0, MAGIC.length), MAGIC)
  const log2 = header[MAGIC.length + 1] as number
  const zeros = header.subarray(MAGIC.length + 2, SALT_AT)
  if (!isOurs || header[MAGIC.length] !== VERSION || zeros.some((byte) => byte !== 0)) throw notSealed()
  if (log2 >= LOG2_MIN && log2 <= LOG2_MAX) return log2
  throw new KubeltError('not-sealed', `Chunks of 2^${log2} bytes are not taken.`, 'Those of 2^12 to 2^22 are.')
}

function derive(contentKey: Uint8Array, bound: Uint8Array): [key: Uint8Array<ArrayBuffer>, commitment: Uint8Array] {
  const derived = hkdf(sha256, contentKey, bound.slice(SALT_AT), concat([INFO, bound]), 64)
  return [derived.slice(0, 32), derived.slice(32)]
}

function importKey(key: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt'])
}

function notSealed(): KubeltError {
  return new KubeltError('not-sealed', 'This is no sealed file, or one of a later version.', 'Update, and try again.')
}

function changed(chunk: number): KubeltError {
  return new KubeltError(
    'sealed-changed',
    `Chunk ${chunk} does not open: it was changed or moved, or the file was cut off.`,
    'Fetch it again, from another node.',
  )
}
