/**
 * A directory tree to publish, from paths.
 *
 * @module
 */

import { KubeltError } from '../errors.js'
import type { FileData } from './pieces.js'
import { importDirectory, importFile, type Root, type Sink } from './unixfs.js'

/** Files by their path in the directory: `{ 'index.html': '…', 'css/site.css': file }`. */
export type Files = Readonly<Record<string, FileData>>

interface Tree {
  readonly files: Map<string, FileData>
  readonly directories: Map<string, Tree>
}

/** Imports files into one directory. */
export async function importTree(files: Files, sink: Sink): Promise<Root> {
  const root: Tree = { files: new Map(), directories: new Map() }
  for (const [path, data] of Object.entries(files)) place(root, path.split('/'), data, path)
  return importNode(root, sink)
}

function place(tree: Tree, names: readonly string[], data: FileData, path: string): void {
  const [name, ...rest] = names
  if (name === undefined) return
  if (rest.length === 0) {
    if (tree.directories.has(name)) throw clash(path)
    tree.files.set(name, data)
    return
  }
  if (tree.files.has(name)) throw clash(path)
  const below = tree.directories.get(name) ?? { files: new Map(), directories: new Map() }
  tree.directories.set(name, below)
  place(below, rest, data, path)
}

async function importNode(tree: Tree, sink: Sink): Promise<Root> {
  const entries = []
  for (const [name, data] of tree.files) entries.push({ name, ...(await importFile(data, sink)) })
  for (const [name, below] of tree.directories) entries.push({ name, ...(await importNode(below, sink)) })
  return importDirectory(entries, sink)
}

function clash(path: string): KubeltError {
  return new KubeltError('bad-name', `\`${path}\` lies below something that is a file.`, 'Rename one of the two.')
}
