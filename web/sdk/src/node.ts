/**
 * What only Node has: storage in files.
 *
 * @module
 */

import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import type { Change, Storage, Stored } from './local/storage.js'

const JOURNAL = 'journal'

/** Changes that were promised and may not be made yet. */
interface Journal {
  readonly table: string
  readonly changes: readonly Change[]
}

/**
 * Storage in a directory that only its owner can read: a folder for each table, a file for each key. Changes are written
 * to a journal first, so that all of them are made or none, whatever stops the program. One program at a time.
 */
export async function fileStorage(directory: string): Promise<Storage> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const journal = join(directory, JOURNAL)
  const folderOf = (table: string) => join(directory, `t-${encodeURIComponent(table)}`)
  const fileOf = (table: string, key: string) => join(folderOf(table), `k-${encodeURIComponent(key)}`)
  const read = async (file: string) => deserialize(await readFile(file)) as Stored
  const keys = async (table: string) => {
    const names = await found(readdir(folderOf(table)))
    return (names ?? [])
      .filter((name) => name.startsWith('k-') && !name.endsWith('.new'))
      .map((name) => decodeURIComponent(name.slice(2)))
  }
  const apply = async ({ table, changes }: Journal) => {
    await mkdir(folderOf(table), { recursive: true, mode: 0o700 })
    for (const change of changes) {
      if ('put' in change) await writeDurably(fileOf(table, change.put), serialize(change.value))
      else await rm(fileOf(table, change.delete), { force: true })
    }
    await rm(journal, { force: true })
  }
  const left = await found(readFile(journal))
  if (left) await apply(deserialize(left) as Journal)
  let turn: Promise<unknown> = Promise.resolve()
  return {
    keepsKeys: false,
    get: (table, key) => found(read(fileOf(table, key))),
    keys,
    entries: async (table) => {
      const all = (await keys(table)).sort()
      return Promise.all(all.map(async (key): Promise<[string, Stored]> => [key, await read(fileOf(table, key))]))
    },
    write: (table, changes) => {
      const written = turn.then(async () => {
        await writeDurably(journal, serialize({ table, changes } satisfies Journal))
        await apply({ table, changes })
      })
      turn = written.catch(() => {})
      return written
    },
  }
}

/** Writes beside, syncs, and puts in place: a file is the old one or the new one. */
async function writeDurably(file: string, bytes: Uint8Array): Promise<void> {
  const beside = `${file}.new`
  const handle = await open(beside, 'w', 0o600)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(beside, file)
}

async function found<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
