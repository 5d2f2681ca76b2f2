/** How figures, dates and ids are written. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'long' })
const STEPS: readonly [unit: Intl.RelativeTimeFormatUnit, ms: number][] = [
  ['year', 31_557_600_000],
  ['month', 2_629_800_000],
  ['week', 604_800_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
]

/** Bytes in decimal units: `1.5 MB`. */
export function bytes(count: number): string {
  let [value, unit] = [count, 0]
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1000
  const digits = unit === 0 || value >= 99.95 ? 0 : 1
  return `${value.toFixed(digits)} ${UNITS[unit]}`
}

/** `1 file`, `2 files`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString()} ${n === 1 ? one : many}`
}

export function date(when: Date | string | number): string {
  return DATE.format(new Date(when))
}

/** How long ago, or in how long. */
export function ago(when: Date | string | number, now = Date.now()): string {
  const distance = new Date(when).getTime() - now
  const step = STEPS.find(([, ms]) => Math.abs(distance) >= ms)
  if (!step) return Math.abs(distance) < 10_000 ? 'just now' : distance < 0 ? 'a moment ago' : 'in a moment'
  return RELATIVE.format(Math.round(distance / step[1]), step[0])
}

/** An account or an id with its middle left out: `0x1234…cdef`. */
export function short(id: string, head = 6, tail = 4): string {
  return id.length <= head + tail + 1 ? id : `${id.slice(0, head)}…${id.slice(-tail)}`
}

/** A name for a core, made of a title: letters, digits, `-` and `_`, 64 at most. */
export function nameFrom(title: string): string {
  const plain = title
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
  return plain.slice(0, 64).replace(/^-+|-+$/g, '')
}
