/**
 * The hash by which large directories are sharded (UnixFS specification, "HAMTDirectory").
 *
 * @module
 */

import { bytesOf } from '../core/bytes.js'

const MASK = (1n << 64n) - 1n
const C1 = 0x87c37b91114253d5n
const C2 = 0x4cf5ad432745937fn

/** The first 64 bits of murmur3 x64 128 with seed 0. */
export function nameHash(name: string): bigint {
  const bytes = bytesOf(name)
  let [h1, h2] = [0n, 0n]
  const whole = bytes.length - (bytes.length % 16)
  for (let at = 0; at < whole; at += 16) {
    h1 ^= mix(number(bytes.subarray(at, at + 8)), C1, 31n, C2)
    h1 = (rotate(h1, 27n) + h2) & MASK
    h1 = (h1 * 5n + 0x52dce729n) & MASK
    h2 ^= mix(number(bytes.subarray(at + 8, at + 16)), C2, 33n, C1)
    h2 = (rotate(h2, 31n) + h1) & MASK
    h2 = (h2 * 5n + 0x38495ab5n) & MASK
  }
  h2 ^= mix(number(bytes.subarray(whole + 8)), C2, 33n, C1)
  h1 ^= mix(number(bytes.subarray(whole, whole + 8)), C1, 31n, C2)
  h1 ^= BigInt(bytes.length)
  h2 ^= BigInt(bytes.length)
  h1 = (h1 + h2) & MASK
  h2 = (h2 + h1) & MASK
  return (scramble(h1) + scramble(h2)) & MASK
}

/** The slot of a hash at a depth, from its highest bits on; `undefined` when it has no bits left. */
export function slotOf(hash: bigint, depth: number): number | undefined {
  return depth < 8 ? Number((hash >> BigInt(8 * (7 - depth))) & 0xffn) : undefined
}

function mix(k: bigint, first: bigint, turn: bigint, second: bigint): bigint {
  return (rotate((k * first) & MASK, turn) * second) & MASK
}

function rotate(n: bigint, by: bigint): bigint {
  return ((n << by) | (n >> (64n - by))) & MASK
}

function scramble(h: bigint): bigint {
  let n = h ^ (h >> 33n)
  n = (n * 0xff51afd7ed558ccdn) & MASK
  n ^= n >> 33n
  n = (n * 0xc4ceb9fe1a85ec53n) & MASK
  return n ^ (n >> 33n)
}

function number(bytes: Uint8Array): bigint {
  return bytes.reduceRight((n, byte) => (n << 8n) | BigInt(byte), 0n)
}
