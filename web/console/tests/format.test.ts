import { describe, expect, test } from 'vitest'
import { ago, bytes, count, nameFrom, short } from '../src/format.js'

test('bytes have at most three digits before their unit', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '1.0 kB'],
    [99_940, '99.9 kB'],
    [99_960, '100 kB'],
    [999_499, '999 kB'],
    [999_501, '1.0 MB'],
    [5_000_000_000_000, '5.0 TB'],
    [5_000_000_000_000_000, '5000 TB'],
  ]
  for (const [given, said] of cases) expect(bytes(given)).toBe(said)
})

test('one of a thing is not many', () => {
  expect([count(0, 'file'), count(1, 'file'), count(2, 'entry', 'entries')]).toEqual(['0 files', '1 file', '2 entries'])
})

describe('how long ago', () => {
  const now = Date.UTC(2026, 4, 1)
  test.each([
    [-5_000, 'just now'],
    [5_000, 'just now'],
    [-30_000, 'a moment ago'],
    [30_000, 'in a moment'],
    [-60_000, '1 minute ago'],
    [-7_200_000, '2 hours ago'],
    [-86_400_000, 'yesterday'],
    [3 * 86_400_000, 'in 3 days'],
  ])('%d ms', (distance, said) => {
    expect(ago(now + distance, now)).toBe(said)
  })
})

test('ids are cut in the middle only where that makes them shorter', () => {
  expect(short('0x1234567890abcdef')).toBe('0x1234…cdef')
  expect(short('0x123456789')).toBe('0x123456789')
})

test('a name is made of any title', () => {
  expect(nameFrom('  Acme & Söhne  ')).toBe('acme-s-hne')
  expect(nameFrom('***')).toBe('')
  expect(nameFrom('x'.repeat(80))).toHaveLength(64)
})
