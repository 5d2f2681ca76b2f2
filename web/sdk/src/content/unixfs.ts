/**
 * Files and directories as blocks, with the CIDs of `unixfs-v1-2025` (IPIP-499), which the node and the command line
 * make, too: 1 MiB raw leaves, 1,024 links a node, CIDv1, directories over 256 KiB as a HAMT of 256 slots.
 *
 * @module
 */

import type { CID } from 'multiformats/cid'
import { compareText, concat, utf8Length } from '../core/bytes.js'
import { KubeltError } from '../errors.js'
import { type Block, DAG_PB, hashBlock, RAW } from './block.js'
import { bytesField, encodeNode, numberField, type PbLink } from './dag-pb.js'
import { nameHash, slotOf } from './hamt.js'
import { cut, type FileData } from './pieces.js'

/** Bytes of every leaf but the last. */
export const CHUNK_BYTES = 1024 * 1024
const LINKS_PER_NODE = 1024
const DIRECTORY_BYTES = 256 * 1024
const FANOUT = 256
const MURMUR3 = 0x22
const NAME_BYTES_MAX = 1_024

/** Kinds of UnixFS nodes. */
export const KIND = { raw: 0, directory: 1, file: 2, symlink: 4, hamtShard: 5 } as const

/** Takes blocks, children before what links to them. */
export type Sink = (block: Block) => Promise<void>

/** A finished file or directory. */
export interface Root {
  readonly cid: CID
  /** Bytes of the file, or of all files of the directory. */
  readonly size: number
  /** Bytes of all blocks. */
  readonly dagSize: number
}

/** An entry of a directory. */
export interface DirectoryEntry extends Root {
  readonly name: string
}

/** Cuts a file into leaves and builds the nodes above them; memory does not grow with the file. */
export async function importFile(data: FileData, sink: Sink): Promise<Root> {
  const levels: Root[][] = []
  const push = async (level: number, child: Root): Promise<void> => {
    levels[level] ??= []
    const row = levels[level] as Root[]
    if (row.length === LINKS_PER_NODE) {
      // A full row is closed only now, when something follows it.
      await push(level + 1, await fileNode(row.splice(0), sink))
    }
    row.push(child)
  }
  for await (const chunk of cut(data, CHUNK_BYTES)) {
    const block = await hashBlock(RAW, chunk)
    await sink(block)
    await push(0, { cid: block.cid, size: chunk.length, dagSize: chunk.length })
  }
  for (let level = 0; ; level++) {
    const row = levels[level] as Root[]
    if (row.length === 1 && level + 1 === levels.length) return row[0] as Root
    await push(level + 1, await fileNode(row, sink))
  }
}

/**
 * Writes a directory: the same entries always give the same CID.
 *
 * @throws KubeltError for names that no directory can hold.
 */
export async function importDirectory(entries: readonly DirectoryEntry[], sink: Sink): Promise<Root> {
  const sorted = [...entries].sort((a, b) => compareText(a.name, b.name))
  sorted.forEach((entry, i) => {
    checkName(entry.name)
    if (entry.name === sorted[i - 1]?.name)
      throw new KubeltError('bad-name', `Two entries are called \`${entry.name}\`.`, 'Rename one.')
  })
  const node = encodeNode(sorted.map(linkOf), numberField(1, KIND.directory))
  const size = sorted.reduce((sum, entry) => sum + entry.size, 0)
  if (node.length > DIRECTORY_BYTES) {
    const hashed = sorted.map((entry) => ({ entry, hash: nameHash(entry.name) }))
    hashed.sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0))
    return { ...(await shard(hashed, 0, sink)), size }
  }
  return { ...(await finish(node, sorted, sink)), size }
}

interface Hashed {
  readonly entry: DirectoryEntry
  readonly hash: bigint
}

async function shard(hashed: readonly Hashed[], depth: number, sink: Sink): Promise<Root> {
  const slots = new Map<number, Hashed[]>()
  for (const item of hashed) {
    const slot = slotOf(item.hash, depth)
    if (slot === undefined)
      throw new KubeltError(
        'bad-name',
        `The hash of \`${item.entry.name}\` equals that of another name.`,
        'Rename one.',
      )
    slots.set(slot, [...(slots.get(slot) ?? []), item])
  }
  const field = new Uint8Array(FANOUT / 8)
  const children: DirectoryEntry[] = []
  for (const [slot, members] of [...slots].sort(([a], [b]) => a - b)) {
    const at = field.length - 1 - Math.floor(slot / 8)
    field[at] = (field[at] as number) | (1 << (slot % 8))
    const prefix = slot.toString(16).toUpperCase().padStart(2, '0')
    const [only] = members
    const child = members.length === 1 && only ? only.entry : { ...(await shard(members, depth + 1, sink)), name: '' }
    children.push({ ...child, name: prefix + child.name })
  }
  const first = field.findIndex((byte) => byte !== 0)
  const data = concat([
    numberField(1, KIND.hamtShard),
    bytesField(2, field.subarray(first)),
    numberField(5, MURMUR3),
    numberField(6, FANOUT),
  ])
  return finish(encodeNode(children.map(linkOf), data), children, sink)
}

async function fileNode(children: readonly Root[], sink: Sink): Promise<Root> {
  const size = children.reduce((sum, child) => sum + child.size, 0)
  const sizes = children.map((child) => numberField(4, child.size))
  const data = concat([numberField(1, KIND.file), numberField(3, size), ...sizes])
  const node = encodeNode(
    children.map((child) => linkOf({ ...child, name: '' })),
    data,
  )
  return { ...(await finish(node, children, sink)), size }
}

async function finish(node: Uint8Array<ArrayBuffer>, children: readonly Root[], sink: Sink): Promise<Root> {
  const block = await hashBlock(DAG_PB, node)
  await sink(block)
  const dagSize = children.reduce((sum, child) => sum + child.dagSize, node.length)
  return { cid: block.cid, size: 0, dagSize }
}

function linkOf({ cid, name, dagSize }: DirectoryEntry): PbLink {
  return { cid, name, tsize: dagSize }
}

function checkName(name: string): void {
  const bytes = utf8Length(name)
  const fits = bytes > 0 && bytes <= NAME_BYTES_MAX && name !== '.' && name !== '..' && !/[/\0]/.test(name)
  if (fits && name.isWellFormed()) return
  throw new KubeltError(
    'bad-name',
    `No directory can hold the name ${JSON.stringify(name.slice(0, 64))}.`,
    'Rename it.',
  )
}
