/**
 * Bytes of keys.
 *
 * @module
 */

import { toBase64Url } from '../core/bytes.js'

/** Random bytes. */
export function random(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length))
}

/** A thumbprint as a `kid` writes it: base64url without padding. */
export function toId(thumbprint: Uint8Array): string {
  return toBase64Url(thumbprint)
}

/** Whether two arrays hold the same bytes; how long it takes does not tell where they differ. */
export function sameSecret(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] ?? 0)
  return difference === 0
}
