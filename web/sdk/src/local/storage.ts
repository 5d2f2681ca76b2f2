/**
 * Where a device keeps things: a small port, with IndexedDB in browsers, memory everywhere, and files in Node
 * (`@kubelt/sdk/node`).
 *
 * @module
 */

/** What is kept: anything that can be cloned (`structuredClone`). */
export type Stored = unknown

/** One change of a table. */
export type Change = { readonly put: string; readonly value: Stored } | { readonly delete: string }

/** Tables of values by key. */
export interface Storage {
  /** Whether it keeps WebCrypto keys as they are, so that they need not be extractable. */
  readonly keepsKeys: boolean
  get(table: string, key: string): Promise<Stored | undefined>
  /** The keys of a table. */
  keys(table: string): Promise<string[]>
  /** Every entry of a table, in the order of keys. */
  entries(table: string): Promise<[key: string, value: Stored][]>
  /** Makes all changes of one table, or none; they are durable when it resolves. */
  write(table: string, changes: readonly Change[]): Promise<void>
}

/** Storage that is gone with the program. */
export function memoryStorage(): Storage {
  const tables = new Map<string, Map<string, Stored>>()
  return {
    keepsKeys: true,
    get: async (table, key) => tables.get(table)?.get(key),
    keys: async (table) => [...(tables.get(table)?.keys() ?? [])],
    entries: async (table) => [...(tables.get(table) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)),
    write: async (table, changes) => {
      const rows = tables.get(table) ?? new Map<string, Stored>()
      tables.set(table, rows)
      for (const change of changes) {
        if ('put' in change) rows.set(change.put, change.value)
        else rows.delete(change.delete)
      }
    },
  }
}

/** Storage of the browser, by the name of a database. All tables lie in one object store, under `[table, key]`. */
export function indexedDbStorage(name = 'kubelt'): Storage {
  const opened = open(name)
  const rows = async (mode: IDBTransactionMode) => {
    const transaction = (await opened).transaction('rows', mode, { durability: 'strict' })
    return [transaction, transaction.objectStore('rows')] as const
  }
  return {
    keepsKeys: true,
    get: async (table, key) => {
      const [, store] = await rows('readonly')
      return done(store.get([table, key]))
    },
    keys: async (table) => {
      const [, store] = await rows('readonly')
      const keys = await done(store.getAllKeys(IDBKeyRange.bound([table], [table, []])))
      return keys.map((key) => (key as [string, string])[1])
    },
    entries: async (table) => {
      const [, store] = await rows('readonly')
      const range = IDBKeyRange.bound([table], [table, []])
      const [keys, values] = await Promise.all([done(store.getAllKeys(range)), done(store.getAll(range))])
      return keys.map((key, i) => [(key as [string, string])[1], values[i]])
    },
    write: async (table, changes) => {
      const [transaction, store] = await rows('readwrite')
      for (const change of changes) {
        if ('put' in change) store.put(change.value, [table, change.put])
        else store.delete([table, change.delete])
      }
      await committed(transaction)
    },
  }
}

function open(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 1)
  request.onupgradeneeded = () => request.result.createObjectStore('rows')
  return done(request)
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

function committed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error)
    transaction.onerror = () => reject(transaction.error)
  })
}
