/**
 * Dates of operations: a hybrid logical clock of 64 bits, milliseconds since the Unix epoch in the upper 48 and a
 * counter in the lower 16.
 *
 * @module
 */

/** A date: 64 bits, as they stand in blocks. */
export type Hlc = bigint

/** The greatest date there is. */
export const HLC_MAX: Hlc = (1n << 64n) - 1n

/** The first date of a millisecond since the Unix epoch. */
export function hlcOf(ms: number): Hlc {
  return BigInt(ms) << 16n
}

/** Milliseconds since the Unix epoch. */
export function msOf(at: Hlc): number {
  return Number(at >> 16n)
}

/**
 * The date of an operation made at `nowMs` (milliseconds since the Unix epoch) whose latest predecessor is dated
 * `seen`; `undefined` where no later one exists.
 */
export function nextHlc(seen: Hlc | undefined, nowMs: number): Hlc | undefined {
  const now = hlcOf(nowMs)
  if (seen === undefined || seen < now) return now
  return seen < HLC_MAX ? seen + 1n : undefined
}
