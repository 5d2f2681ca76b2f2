/** Content read through the SDK, every block checked, as far as this device or the node has it. */

import { type ContentAt, KubeltError, mediaTypeOf, ProblemError, type Schemas } from '@kubelt/sdk'
import type { OpenCore } from '../../state/open-core.svelte.js'
import { compareNames } from './tree.js'

const RAW = 0x55

/** Something inside of a directory that is published as one. */
export interface Inner {
  readonly name: string
  /** What the node says of it; `undefined` with no network. */
  readonly kind: Schemas['ListingKind'] | undefined
  readonly size: number | undefined
}

/** What a path inside of a published directory leads to. */
export type Inside =
  | { readonly kind: 'directory'; readonly rows: readonly Inner[] }
  | { readonly kind: 'file'; readonly cid: string; readonly mediaType: string; readonly size: number | undefined }
  | { readonly kind: 'nothing' }

/** Looks at a path at or below a directory that is published as one. */
export async function lookInside(open: OpenCore, path: string): Promise<Inside> {
  await settle(open)
  const { content } = open.core
  const cid = await content.find(path)
  if (!cid) return { kind: 'nothing' }
  const names = cid.code === RAW ? undefined : await namesIn(open, path)
  const told = await listing(open, names ? path : path.split('/').slice(0, -1).join('/'))
  if (names) {
    const rows = names.map((name) => inner(name, told))
    return { kind: 'directory', rows: rows.sort((a, b) => rank(a) - rank(b) || compareNames(a.name, b.name)) }
  }
  const name = path.slice(path.lastIndexOf('/') + 1)
  return { kind: 'file', cid: cid.toString(), mediaType: mediaTypeOf(name), size: told.get(name)?.size ?? undefined }
}

/** The bytes of a file, with how far they are. Ends early once `most` bytes are there. */
export async function load(
  open: OpenCore,
  path: string,
  how: { most?: number; signal: AbortSignal; onProgress?: (bytes: number) => void },
): Promise<{ bytes: Uint8Array<ArrayBuffer>[]; isWhole: boolean }> {
  const { most = Number.POSITIVE_INFINITY, signal, onProgress } = how
  const bytes: Uint8Array<ArrayBuffer>[] = []
  let length = 0
  await settle(open)
  for await (const piece of open.core.content.stream(path)) {
    signal.throwIfAborted()
    bytes.push(new Uint8Array(piece))
    length += piece.length
    onProgress?.(length)
    if (length >= most) return { bytes, isWhole: false }
  }
  return { bytes, isWhole: true }
}

/** What was published just now, the node gives out once it has the operation that names it. */
export async function settle(open: OpenCore): Promise<void> {
  if (open.unsent === 0) return
  await open.sync().catch(() => {
    // Then it is read from this device.
  })
}

/** The address of a core on its node: `/@0x…`. */
export function nodePath(open: OpenCore): string {
  return `/@${open.ref === 'me' ? open.core.session.account : open.ref}`
}

/** Links to what is published at a path, for others. */
export function linksTo(open: OpenCore, entry: Pick<ContentAt, 'path' | 'cid'>): { path: string; gateway: string } {
  const path = entry.path.split('/').map(encodeURIComponent).join('/')
  return { path: `${location.origin}${nodePath(open)}/${path}`, gateway: `${location.origin}/ipfs/${entry.cid}` }
}

/** The names in a directory; `undefined` where the path leads to a file. */
async function namesIn(open: OpenCore, path: string): Promise<string[] | undefined> {
  try {
    return await open.core.content.names(path)
  } catch (error) {
    const isFile = error instanceof KubeltError && error.code === 'not-found' && !(error instanceof ProblemError)
    if (!isFile) throw error
    return undefined
  }
}

/** What the node says of a directory's entries: kinds and sizes, which names alone do not tell. */
async function listing(open: OpenCore, path: string): Promise<Map<string, Schemas['ListingEntry']>> {
  const told = new Map<string, Schemas['ListingEntry']>()
  const at = path.split('/').map(encodeURIComponent).join('/')
  try {
    for (let cursor: string | null | undefined = ''; cursor !== undefined && cursor !== null; ) {
      const query = cursor === '' ? '?list' : `?list&cursor=${encodeURIComponent(cursor)}`
      const response = await open.core.session.client.send(`/@${open.core.id}/-/content/${at}${query}`)
      const page = (await response.json()) as Schemas['Listing']
      for (const entry of page.entries) told.set(entry.name, entry)
      cursor = page.next
    }
  } catch (error) {
    if (!(error instanceof KubeltError)) throw error
  }
  return told
}

function inner(name: string, told: ReadonlyMap<string, Schemas['ListingEntry']>): Inner {
  const { kind, size } = told.get(name) ?? {}
  return { name, kind, size: size ?? undefined }
}

function rank(row: Inner): number {
  return row.kind === 'directory' ? 0 : 1
}
