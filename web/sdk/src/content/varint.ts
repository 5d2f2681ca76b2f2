/**
 * Numbers as protobuf and CARs write them: seven bits a byte, the lowest first.
 *
 * @module
 */

import { IntegrityError } from '../errors.js'

/** The bytes of a number. */
export function varint(n: number): Uint8Array {
  const bytes: number[] = []
  let rest = n
  while (rest > 0x7f) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  return Uint8Array.from([...bytes, rest])
}

/**
 * Reads a number at a place; its value and how many bytes it has, or `undefined` where the bytes end too early.
 *
 * @throws IntegrityError where it is larger than a number can count, or not in its shortest form.
 */
export function readVarint(bytes: Uint8Array, at = 0): { value: number; length: number } | undefined {
  let value = 0
  for (let length = 0; at + length < bytes.length; length++) {
    const byte = bytes[at + length] as number
    value += (byte & 0x7f) * 0x80 ** length
    if (value > Number.MAX_SAFE_INTEGER || (byte === 0 && length > 0)) throw new IntegrityError('A number in a block')
    if (byte < 0x80) return { value, length: length + 1 }
  }
  return undefined
}
