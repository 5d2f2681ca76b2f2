import { expect, test } from 'vitest'
import { addressOf, placeOf } from '../src/places.js'

test('addresses lead to pages of a core, and to others', () => {
  expect(placeOf('/')).toEqual({ page: '', rest: [] })
  expect(placeOf('/account')).toEqual({ page: 'account', rest: [] })
  expect(placeOf('/@me')).toEqual({ core: 'me', page: '', rest: [] })
  expect(placeOf('/@bafyabc/content//a/b/')).toEqual({ core: 'bafyabc', page: 'content', rest: ['a', 'b'] })
})

test('names of any letters come back as they were', () => {
  for (const name of ['a b', 'a/b', '50%', 'ü?#', '@me', '%2F']) {
    expect(placeOf(addressOf('me', 'content', [name, 'x']))).toEqual({ core: 'me', page: 'content', rest: [name, 'x'] })
  }
})

test('what is no encoding is taken as it stands', () => {
  expect(placeOf('/@me/content/50%')).toEqual({ core: 'me', page: 'content', rest: ['50%'] })
})
