import { readFileSync } from 'node:fs'
import { fromBase64 } from '../src/core/bytes.js'

/** A file of `spec/vectors`, which the Rust crates are tested with too. */
export function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../spec/vectors/${name}`, import.meta.url), 'utf8')) as T
}

/** The bytes of base64 in a vector. */
export function base64(text: string): Uint8Array {
  const bytes = fromBase64(text)
  if (!bytes) throw new Error(`not base64: ${text}`)
  return bytes
}

/** Choices from a seed (splitmix32), so that a failure can be repeated. */
export function dice(seed: number): (bound: number) => number {
  let state = seed
  return (bound) => {
    state = (state + 0x9e3779b9) | 0
    let z = state ^ (state >>> 16)
    z = Math.imul(z, 0x21f0aaad)
    z ^= z >>> 15
    z = Math.imul(z, 0x735a2d97)
    return ((z ^ (z >>> 15)) >>> 0) % bound
  }
}

/** The same things in another order. */
export function shuffled<T>(items: readonly T[], below: (bound: number) => number): T[] {
  const order = [...items]
  for (let i = order.length - 1; i > 0; i--) {
    const j = below(i + 1)
    ;[order[i], order[j]] = [order[j] as T, order[i] as T]
  }
  return order
}
