import * as theirs from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../src/core/bytes.js'
import { decode, encode, Float, type Value } from '../../src/core/dag-cbor.js'
import { DecodeError } from '../../src/core/errors.js'
import { vectors } from '../vectors.js'

interface Fixture {
  name: string
  forms: { 'dag-cbor'?: { cid: string; hex: string } }
}

const fixtures = vectors<{ fixtures: Fixture[] }>('ipld.json').fixtures.flatMap(({ name, forms }) =>
  forms['dag-cbor'] ? [{ name, hex: forms['dag-cbor'].hex }] : [],
)

test('the fixtures of IPLD read back as the same bytes', () => {
  expect(fixtures.length).toBeGreaterThan(40)
  for (const { name, hex } of fixtures) expect(toHex(encode(decode(fromHex(hex) as Uint8Array))), name).toBe(hex)
})

test('another implementation writes the same bytes', () => {
  const cid = CID.parse('bafyreihdb57fdysx5h35urvxz64ros7zvywshber7id6t6c6fek37jgyfe')
  const value: Value = { b: [1, -1, 1.5, 2 ** 40, null, true], aa: 'é', cid, bytes: Uint8Array.of(0, 255), a: {} }
  expect(toHex(encode(value))).toBe(toHex(theirs.encode(value)))
})

test('a float is no integer', () => {
  for (const hex of ['fb3ff0000000000000', 'fb0000000000000000', '01', '00']) {
    expect(toHex(encode(decode(fromHex(hex) as Uint8Array)))).toBe(hex)
  }
  expect(decode(encode(new Float(1)))).toEqual(new Float(1))
  expect(toHex(encode([-0, new Float(-0)]))).toBe('8200fb0000000000000000')
})

test('every name can be a key', () => {
  const hex = 'a1695f5f70726f746f5f5ff5'
  const value = decode(fromHex(hex) as Uint8Array)
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  expect(toHex(encode(value))).toBe(hex)
})

describe('what is not the one encoding is refused', () => {
  test.each([
    ['an integer that could be shorter', '1817'],
    ['a length that could be shorter', '780161'],
    ['keys out of order', 'a2616201616101'],
    ['a key that stands twice', 'a2616101616101'],
    ['a key that is no text', 'a10101'],
    ['bytes after the end', '0101'],
    ['a half float', 'f93c00'],
    ['a float of 32 bits', 'fa3fc00000'],
    ['NaN', 'fb7ff8000000000000'],
    ['infinity', 'fb7ff0000000000000'],
    ['negative zero', 'fb8000000000000000'],
    ['undefined', 'f7'],
    ['another tag', 'c101'],
    ['no given length', '9f01ff'],
    ['text that is not UTF-8', '61ff'],
    ['an end too early', '82'],
    ['nesting without end', '81'.repeat(1_000)],
    ['a list that claims more than there is', '9b7fffffffffffffff'],
  ])('%s', (_why, hex) => {
    expect(() => decode(fromHex(hex) as Uint8Array)).toThrow(DecodeError)
  })
})
