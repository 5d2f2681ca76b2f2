/**
 * Reading what blocks say, each checked against its CID before a byte of it is given.
 *
 * @module
 */

import type { CID } from 'multiformats/cid'
import { IntegrityError, KubeltError } from '../errors.js'
import { DAG_PB, RAW } from './block.js'
import { decodeNode, type PbLink, readFields } from './dag-pb.js'
import { nameHash, slotOf } from './hamt.js'
import { KIND } from './unixfs.js'

/** Gives the bytes of a block, checked. */
export type BlockSource = (cid: CID) => Promise<Uint8Array>

/** Deepest DAG of a file or directory that is followed, in nodes. */
const DEPTH_MAX = 64

interface UnixFs {
  readonly kind: number
  readonly data: Uint8Array
  readonly links: readonly PbLink[]
}

/**
 * The bytes of a file, leaf by leaf.
 *
 * @throws IntegrityError where blocks are not those of a file.
 */
export async function* readFile(source: BlockSource, cid: CID, depth = 0): AsyncGenerator<Uint8Array> {
  if (depth > DEPTH_MAX) throw new IntegrityError(`The file ${cid}, which nests too deep,`)
  if (cid.code === RAW) {
    yield await source(cid)
    return
  }
  const { kind, data, links } = await node(source, cid)
  if (kind !== KIND.file && kind !== KIND.raw)
    throw new KubeltError('not-found', `There is no file at ${cid}: it is a directory or a link.`)
  if (data.length > 0) yield data
  for (const link of links) yield* readFile(source, link.cid, depth + 1)
}

/**
 * The CID that a path leads to, below a root.
 *
 * @returns `undefined` where there is nothing of that name
 */
export async function resolvePath(source: BlockSource, root: CID, names: readonly string[]): Promise<CID | undefined> {
  let cid: CID | undefined = root
  for (const name of names) {
    if (!cid) return undefined
    cid = await child(source, cid, name)
  }
  return cid
}

/** The entries of a directory. */
export async function* readDirectory(
  source: BlockSource,
  cid: CID,
  depth = 0,
): AsyncGenerator<{ name: string; cid: CID }> {
  const { kind, links } = await node(source, cid)
  if (kind !== KIND.hamtShard) {
    if (kind !== KIND.directory) throw new KubeltError('not-found', `There is no directory at ${cid}.`)
    yield* links
    return
  }
  if (depth > DEPTH_MAX) throw new IntegrityError(`The directory ${cid}, which nests too deep,`)
  for (const link of links) {
    if (link.name.length > 2) yield { name: link.name.slice(2), cid: link.cid }
    else yield* readDirectory(source, link.cid, depth + 1)
  }
}

async function child(source: BlockSource, directory: CID, name: string): Promise<CID | undefined> {
  let at = await node(source, directory)
  if (at.kind === KIND.directory) return at.links.find((link) => link.name === name)?.cid
  const hash = nameHash(name)
  for (let depth = 0; at.kind === KIND.hamtShard; depth++) {
    const slot = slotOf(hash, depth)
    const prefix = slot?.toString(16).toUpperCase().padStart(2, '0')
    const link = at.links.find((link) => link.name === `${prefix}${name}` || link.name === prefix)
    if (!link || prefix === undefined) return undefined
    if (link.name !== prefix) return link.cid
    at = await node(source, link.cid)
  }
  return undefined
}

async function node(source: BlockSource, cid: CID): Promise<UnixFs> {
  if (cid.code !== DAG_PB) throw new KubeltError('not-found', `There is neither a file nor a directory at ${cid}.`)
  const { links, data } = decodeNode(await source(cid))
  const fields = readFields(data)
  const kind = fields.find(({ number }) => number === 1)?.value
  const own = fields.find(({ number }) => number === 2)?.value
  if (typeof kind !== 'number') throw new IntegrityError(`The node ${cid}`)
  return { kind, data: own instanceof Uint8Array ? own : new Uint8Array(0), links }
}
