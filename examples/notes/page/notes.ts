// What a note is in the core: its title and its text are two paths of the map. So what two devices change in different notes,
// or in title and text of one, is all kept; of two changes of the same text the later one counts, on every device.

import type { Core } from '@kubelt/sdk'

export const FIELDS = ['title', 'text'] as const
export type Field = (typeof FIELDS)[number]
export type Note = { readonly id: string } & { readonly [field in Field]: string }

/** The notes that are on this device, the newest first. */
export function notesOf(core: Core): Note[] {
  const ids = new Set(core.entries('docs').map(([path]) => path.slice('docs/'.length).split('.', 1)[0] ?? ''))
  const note = (id: string) => ({ id, title: read(core, id, 'title'), text: read(core, id, 'text') })
  return [...ids].sort().reverse().map(note)
}

/** Begins an empty note. Ids begin with the time, so that they sort. */
export async function begin(core: Core): Promise<void> {
  await write(core, `${Date.now()}-${crypto.randomUUID().slice(0, 8)}`, 'title', '')
}

export async function write(core: Core, id: string, field: Field, text: string): Promise<void> {
  await core.put(pathOf(id, field), { text })
}

export async function remove(core: Core, id: string): Promise<void> {
  for (const field of FIELDS) if (core.get(pathOf(id, field)) !== undefined) await core.put(pathOf(id, field), null)
}

function read(core: Core, id: string, field: Field): string {
  const value = core.get(pathOf(id, field)) as { text?: unknown } | undefined
  return typeof value?.text === 'string' ? value.text : ''
}

function pathOf(id: string, field: Field): string {
  return `docs/${id}.${field}`
}
