import { expect, test } from 'vitest'
import { fromDagJson } from '../../src/core/dag-json.js'
import { linkOf, parseId } from '../../src/core/ids.js'

const ID = 'bafyreihdb57fdysx5h35urvxz64ros7zvywshber7id6t6c6fek37jgyfe'

test('links and bytes are read, and what is neither is refused', () => {
  const json = { core: { '/': ID }, key: { '/': { bytes: 'AQI' } }, list: [1, null, { a: 'b' }] }
  expect(fromDagJson(json)).toEqual({
    core: linkOf(parseId(ID)),
    key: Uint8Array.of(1, 2),
    list: [1, null, { a: 'b' }],
  })
  for (const bad of [
    { '/': 1 },
    { '/': 'x' },
    { '/': null },
    { '/': { bytes: 1 } },
    { '/': ID, more: 1 },
    { '/': { bytes: '*' } },
  ])
    expect(() => fromDagJson(bad), JSON.stringify(bad)).toThrow(/neither a link nor bytes/)
})
