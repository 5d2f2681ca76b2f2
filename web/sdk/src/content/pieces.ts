/**
 * Bytes of files, from wherever they come, cut into pieces of one size.
 *
 * @module
 */

import { concat } from '../core/bytes.js'

/** Bytes that are read at once of what is at hand as a whole. */
const READ_BYTES = 1024 * 1024

/** Anything that bytes of a file can come from. */
export type FileData = string | Uint8Array | Blob | AsyncIterable<Uint8Array>

/** Cuts data into pieces of `bytes` bytes. The last one is shorter or not; it is empty only where there is nothing at all. */
export async function* cut(data: FileData, bytes: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let waiting: Uint8Array[] = []
  let length = 0
  let any = false
  for await (const piece of piecesOf(data)) {
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + bytes - length)
      waiting.push(part)
      length += part.length
      at += part.length
      if (length < bytes) continue
      yield concat(waiting)
      any = true
      ;[waiting, length] = [[], 0]
    }
  }
  if (length > 0 || !any) yield concat(waiting)
}

async function* piecesOf(data: FileData): AsyncGenerator<Uint8Array> {
  if (typeof data === 'string') yield new TextEncoder().encode(data)
  else if (data instanceof Uint8Array) yield data
  else if (data instanceof Blob) {
    for (let at = 0; at < data.size; at += READ_BYTES) {
      yield new Uint8Array(await data.slice(at, at + READ_BYTES).arrayBuffer())
    }
  } else yield* data
}
