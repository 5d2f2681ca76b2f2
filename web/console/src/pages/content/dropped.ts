/** What a person drops or chooses: files, and folders with what is in them. */

/** One thing that was dropped. */
export type Dropped =
  | { readonly kind: 'file'; readonly name: string; readonly file: File }
  | { readonly kind: 'folder'; readonly name: string; readonly files: Readonly<Record<string, File>> }

/** Reads a drop. It must be called while the event is handled: browsers forget it afterwards. */
export async function readDrop(transfer: DataTransfer): Promise<Dropped[]> {
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? [])
  if (entries.length === 0) return chosen([...transfer.files])
  return Promise.all(entries.map(readEntry))
}

/** Files that were chosen; those of a chosen folder say where in it they lie. */
export function chosen(files: readonly File[]): Dropped[] {
  const folders = new Map<string, Record<string, File>>()
  const alone: Dropped[] = []
  for (const file of files) {
    const [folder, ...names] = file.webkitRelativePath.split('/')
    if (!folder || names.length === 0) {
      alone.push({ kind: 'file', name: file.name, file })
    } else {
      const within = folders.get(folder) ?? {}
      within[names.join('/')] = file
      folders.set(folder, within)
    }
  }
  return [...alone, ...[...folders].map(([name, files]): Dropped => ({ kind: 'folder', name, files }))]
}

/** Bytes of all of it. */
export function sizeOf(dropped: Dropped): number {
  return dropped.kind === 'file'
    ? dropped.file.size
    : Object.values(dropped.files).reduce((sum, { size }) => sum + size, 0)
}

async function readEntry(entry: FileSystemEntry): Promise<Dropped> {
  if (entry.isFile) return { kind: 'file', name: entry.name, file: await fileOf(entry as FileSystemFileEntry) }
  const files: Record<string, File> = {}
  await collect(entry as FileSystemDirectoryEntry, '', files)
  return { kind: 'folder', name: entry.name, files }
}

async function collect(folder: FileSystemDirectoryEntry, at: string, into: Record<string, File>): Promise<void> {
  for (const entry of await entriesOf(folder)) {
    const path = at + entry.name
    if (entry.isFile) into[path] = await fileOf(entry as FileSystemFileEntry)
    else await collect(entry as FileSystemDirectoryEntry, `${path}/`, into)
  }
}

/** Browsers give some entries at a time, until there are no more. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader()
  const all: FileSystemEntry[] = []
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed))
    if (some.length === 0) return all
    all.push(...some)
  }
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((done, failed) => entry.file(done, failed))
}
