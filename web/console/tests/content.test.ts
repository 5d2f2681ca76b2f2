import type { ContentAt } from '@kubelt/sdk'
import { describe, expect, test } from 'vitest'
import { iconOf, previewKind, tidyJson } from '../src/pages/content/preview.js'
import { DIRECTORY, entryOver, rowsAt } from '../src/pages/content/tree.js'

const at = (path: string, size = 1, mediaType = 'text/plain') => ({ path, size, mediaType }) as ContentAt

describe('rows of a folder', () => {
  const entries = [
    at('a10.txt'),
    at('a2.txt'),
    at('b/c/d', 3),
    at('b/e', 4),
    at('b', 5),
    at('site', 6, DIRECTORY),
    at('bb'),
  ]

  test('come with folders first, and as people count', () => {
    const rows = rowsAt(entries, '').map(({ kind, name }) => `${kind} ${name}`)
    expect(rows).toEqual(['folder b', 'entry site', 'entry a2.txt', 'entry a10.txt', 'entry b', 'entry bb'])
  })

  test('sum up what is below, and nothing that only begins alike', () => {
    expect(rowsAt(entries, '').find(({ kind }) => kind === 'folder')).toMatchObject({ count: 2, size: 7, path: 'b' })
    expect(rowsAt(entries, 'b').map(({ path }) => path)).toEqual(['b/c', 'b/e'])
    expect(rowsAt(entries, 'a')).toEqual([])
  })
})

test('the longest entry decides what stands at a path', () => {
  const entries = [at('a'), at('a/b'), at('ab')]
  expect(entryOver(entries, 'a/b/c')?.path).toBe('a/b')
  expect(entryOver(entries, 'a/c')?.path).toBe('a')
  expect(entryOver(entries, 'abc')).toBeUndefined()
})

describe('previews', () => {
  test.each([
    ['image/svg+xml', 'image'],
    ['Video/MP4; codecs="avc1"', 'video'],
    ['application/ld+json', 'json'],
    ['application/atom+xml', 'text'],
    ['text/html; charset=utf-8', 'text'],
    ['application/pdf', 'none'],
    ['', 'none'],
  ])('%s is shown as %s', (mediaType, kind) => {
    expect(previewKind(mediaType)).toBe(kind)
  })

  test('every kind has a picture', () => {
    expect([iconOf('image/png'), iconOf('application/json'), iconOf('x/y')]).toEqual(['image', 'text', 'file'])
  })

  test('JSON is set in lines, and anything else left alone', () => {
    expect(tidyJson('{"a":[1]}')).toBe('{\n  "a": [\n    1\n  ]\n}')
    expect(tidyJson('{"a":')).toBe('{"a":')
  })
})
