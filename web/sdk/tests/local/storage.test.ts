import 'fake-indexeddb/auto'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serialize } from 'node:v8'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { indexedDbStorage, memoryStorage, type Storage } from '../../src/local/storage.js'
import { fileStorage } from '../../src/node.js'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kubelt-sdk-'))
})
afterAll(() => rm(dir, { recursive: true }))

let count = 0
const kinds: [string, () => Promise<Storage>][] = [
  ['memory', async () => memoryStorage()],
  ['IndexedDB', async () => indexedDbStorage(`storage-${count++}`)],
  ['files', () => fileStorage(join(dir, `storage-${count++}`))],
]

describe.each(kinds)('storage in %s', (_kind, make) => {
  test('gives back what was put, by table and key', async () => {
    const storage = await make()
    const value = { bytes: Uint8Array.of(1, 2), list: ['a', 1n] }
    await storage.write('one', [
      { put: 'b/2', value },
      { put: 'a', value: true },
      { put: 'gone', value: 1 },
    ])
    await storage.write('one', [{ delete: 'gone' }, { put: 'a', value: false }])
    await storage.write('two', [{ put: 'a', value: 'other' }])
    expect(await storage.get('one', 'b/2')).toEqual(value)
    expect(await storage.get('one', 'gone')).toBeUndefined()
    expect(await storage.get('none', 'a')).toBeUndefined()
    expect(await storage.entries('one')).toEqual([
      ['a', false],
      ['b/2', value],
    ])
    expect((await storage.keys('one')).sort()).toEqual(['a', 'b/2'])
    expect(await storage.entries('none')).toEqual([])
  })
})

test('files keep what a journal promised, and nobody else reads them', async () => {
  const at = join(dir, 'journal')
  await (await fileStorage(at)).write('t', [{ put: 'a', value: 1 }])
  // A program that was stopped between its promise and the change.
  await writeFile(
    join(at, 'journal'),
    serialize({
      table: 't',
      changes: [
        { put: 'a', value: 2 },
        { put: 'b', value: 3 },
      ],
    }),
  )
  const storage = await fileStorage(at)
  expect(await storage.entries('t')).toEqual([
    ['a', 2],
    ['b', 3],
  ])
  expect(await readdir(at)).toEqual(['t-t'])
  expect((await stat(at)).mode & 0o077).toBe(0)
})
