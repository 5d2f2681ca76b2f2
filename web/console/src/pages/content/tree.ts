/** Paths of content as folders and what is in them. */

import type { ContentAt } from '@kubelt/sdk'

/** The media type of a directory that is published as one. */
export const DIRECTORY = 'inode/directory'

/** One line of a folder. */
export type Row =
  /** A part that several paths have in common. It is nothing by itself. */
  | {
      readonly kind: 'folder'
      readonly name: string
      readonly path: string
      readonly count: number
      readonly size: number
    }
  /** Something that is published. */
  | { readonly kind: 'entry'; readonly name: string; readonly path: string; readonly entry: ContentAt }

/** What stands right below a path: folders first, each kind by name. */
export function rowsAt(entries: readonly ContentAt[], path: string): Row[] {
  const within = path === '' ? '' : `${path}/`
  const folders = new Map<string, { count: number; size: number }>()
  const rows: Row[] = []
  for (const entry of entries) {
    if (!entry.path.startsWith(within)) continue
    const [name = '', ...deeper] = entry.path.slice(within.length).split('/')
    if (deeper.length === 0) {
      rows.push({ kind: 'entry', name, path: entry.path, entry })
    } else {
      const { count, size } = folders.get(name) ?? { count: 0, size: 0 }
      folders.set(name, { count: count + 1, size: size + entry.size })
    }
  }
  for (const [name, sums] of folders) rows.push({ kind: 'folder', name, path: within + name, ...sums })
  return rows.sort((a, b) => rank(a) - rank(b) || compareNames(a.name, b.name))
}

/** The entry that decides what stands at a path: the longest one at it or above it. */
export function entryOver(entries: readonly ContentAt[], path: string): ContentAt | undefined {
  const over = entries.filter((entry) => entry.path === path || path.startsWith(`${entry.path}/`))
  return over.reduce<ContentAt | undefined>((a, b) => (a && a.path.length >= b.path.length ? a : b), undefined)
}

/** As people count: `a2` before `a10`. */
export function compareNames(a: string, b: string): number {
  return a.localeCompare(b, undefined, { numeric: true, sensitivity: 'base' }) || (a < b ? -1 : 1)
}

function rank(row: Row): number {
  return row.kind === 'folder' || row.entry.mediaType === DIRECTORY ? 0 : 1
}
