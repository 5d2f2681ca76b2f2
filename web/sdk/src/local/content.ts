/**
 * Content of a core: files and directories at paths, published from this device and read back with every block checked.
 *
 * @module
 */

import type { CID } from 'multiformats/cid'
import type { Client } from '../api/client.js'
import { type Block, RAW, verifyBlock } from '../content/block.js'
import { decodeCar } from '../content/car.js'
import type { FileData } from '../content/pieces.js'
import { type BlockSource, readDirectory, readFile, resolvePath } from '../content/read.js'
import { type Files, importTree } from '../content/tree.js'
import { importFile, type Root } from '../content/unixfs.js'
import { Uploader, type UploadOptions } from '../content/upload.js'
import type { Account } from '../core/account.js'
import { concat } from '../core/bytes.js'
import { type ContentEntry, contentValue, readContentEntry, type Visibility } from '../core/content-entry.js'
import type { OpId } from '../core/ids.js'
import type { Act } from '../core/op.js'
import { parsePath } from '../core/path.js'
import { KubeltError, VotesNeededError } from '../errors.js'
import { type AskOptions, askOthers } from '../members/requests.js'
import { type Encryption, encryptionValue, readEncryption } from '../sealed/encryption.js'
import type { LocalBlocks } from './blocks.js'
import type { Core, Written } from './core.js'

/** Largest block that is fetched ahead of being asked for, in bytes of all such blocks together. */
const AHEAD_BYTES_MAX = 32 * 1024 * 1024

/** How to publish. */
export interface PublishOptions extends UploadOptions {
  /** Who may read it; `private` when absent. */
  readonly visibility?: Visibility
  /** Its media type; made from the name when absent. */
  readonly mediaType?: string
  /** Whether it is to stay on this device after it was sent. */
  readonly keep?: boolean
  /**
   * `false` sends the blocks right away instead of keeping them here until the next sync: for what is too large for the
   * device. Needs the network; when it fails, publish the same again, and only what is missing is sent.
   */
  readonly local?: boolean
  /** Where others must agree to it: ask them, instead of saying so. Nothing is published until they do. */
  readonly ask?: boolean | Omit<AskOptions, 'blocks'>
  /** How the data is encrypted, where it is: made by `seal`. */
  readonly encryption?: Encryption
}

/** What was published. */
export interface Published {
  readonly cid: CID
  /** Bytes of the file, or of all files of the directory. */
  readonly size: number
  /** The operation; absent where others were asked. */
  readonly op?: OpId
  /** The request that waits for the others. */
  readonly asked?: string
}

/** What stands at a path of content. */
export interface ContentAt {
  readonly path: string
  readonly cid: CID
  readonly size: number
  readonly mediaType: string
  readonly visibility: Visibility
  /** Who can open it, where it is sealed. */
  readonly encryption?: Encryption
  /** The operation that put it there, when it was made, and by whom. */
  readonly op: OpId
  readonly at: Date
  readonly by: Account
}

/** See the module. Paths are below `content/`. */
export class CoreContent {
  constructor(
    private readonly core: Core,
    private readonly client: Client,
    private readonly blocks: LocalBlocks,
  ) {}

  /**
   * Publishes a file at a path.
   *
   * @throws UploadInterruptedError, QuotaError with `local: false`; NotAllowedError, DeviceFullError and others as
   * {@link Core.put}.
   */
  put(path: string, data: FileData, options: PublishOptions = {}): Promise<Published> {
    const mediaType = options.mediaType ?? mediaTypeOf(path)
    return this.publish(path, mediaType, options, (sink) => importFile(data, sink))
  }

  /** Publishes a directory at a path, at once and under one CID. */
  putDirectory(path: string, files: Files, options: PublishOptions = {}): Promise<Published> {
    return this.publish(path, options.mediaType ?? 'inode/directory', options, (sink) => importTree(files, sink))
  }

  /**
   * Changes who can open what is sealed at a path, with the same bytes.
   *
   * @throws KubeltError `not-found`; as {@link Core.put}.
   */
  async reseal(path: string, encryption: Encryption): Promise<Published> {
    const entry = readContentEntry(this.core.get(`content/${path}`) ?? null)
    if (!entry) throw new KubeltError('not-found', `There is nothing at \`${path}\`.`)
    const value = contentValue({ ...entry, encryption: encryptionValue(encryption) })
    const op = await this.core.put(`content/${path}`, value)
    return { cid: entry.cid, size: entry.size, op }
  }

  /**
   * Changes who may read what stands at a path.
   *
   * @throws KubeltError `not-found`; as {@link Core.put}.
   */
  async setVisibility(path: string, visibility: Visibility): Promise<OpId> {
    const entry = readContentEntry(this.core.get(`content/${path}`) ?? null)
    if (!entry) throw new KubeltError('not-found', `There is nothing at \`${path}\`.`)
    return this.core.put(`content/${path}`, contentValue({ ...entry, visibility }))
  }

  /** Clears a path. */
  remove(path: string): Promise<OpId> {
    return this.core.put(`content/${path}`, null)
  }

  /** What is published at and below a path, in the order of paths. */
  list(path?: string): ContentAt[] {
    return this.core.written(path ? `content/${path}` : 'content').flatMap(([full, written]) => {
      const entry = readContentEntry(written.value)
      return entry ? [contentAt(full.slice('content/'.length), entry, written)] : []
    })
  }

  /** What is published at exactly this path; `undefined` where nothing is. */
  at(path: string): ContentAt | undefined {
    return this.list(path).find((one) => one.path === path)
  }

  /**
   * The CID at a path: of what is published there, or below a directory that is published above it.
   *
   * @returns `undefined` where there is nothing
   */
  async find(path: string): Promise<CID | undefined> {
    const names = path.split('/')
    for (let length = names.length; length > 0; length--) {
      const entry = readContentEntry(this.core.get(`content/${names.slice(0, length).join('/')}`) ?? null)
      if (entry) return resolvePath(this.source(), entry.cid, names.slice(length))
    }
    return undefined
  }

  /**
   * The bytes of the file at a path, from this device where they are here, and else from the node.
   *
   * @throws KubeltError where there is no file; IntegrityError where the node lies; NetworkError.
   */
  async get(path: string): Promise<Uint8Array<ArrayBuffer>> {
    const pieces: Uint8Array[] = []
    for await (const piece of this.stream(path)) pieces.push(piece)
    return concat(pieces)
  }

  /** The text of the file at a path, as {@link CoreContent.get}. */
  async text(path: string): Promise<string> {
    return new TextDecoder().decode(await this.get(path))
  }

  /** The same piece by piece: memory does not grow with the file. */
  async *stream(path: string): AsyncGenerator<Uint8Array> {
    const cid = await this.find(path)
    if (!cid) throw new KubeltError('not-found', `There is nothing at \`${path}\`.`)
    yield* readFile(this.source(cid), cid)
  }

  /** The names in a directory that is published as one. */
  async names(path: string): Promise<string[]> {
    const cid = await this.find(path)
    if (!cid) throw new KubeltError('not-found', `There is nothing at \`${path}\`.`)
    const names: string[] = []
    for await (const { name } of readDirectory(this.source(), cid)) names.push(name)
    return names
  }

  private async publish(
    path: string,
    mediaType: string,
    options: PublishOptions,
    make: (sink: (block: Block) => Promise<void>) => Promise<Root>,
  ): Promise<Published> {
    const { visibility = 'private', keep = false, local = true, encryption } = options
    const at = parsePath(`content/${path}`)
    const uploader = local ? undefined : new Uploader(this.client, this.core.id, options)
    const cids = new Set<string>()
    const root = await make(async (block) => {
      cids.add(block.cid.toString())
      if (uploader) await uploader.add(block)
      else await this.blocks.put(this.core.id, [block])
    })
    await uploader?.finish()
    const blocks = uploader ? [] : [...cids]
    if (keep && blocks.length > 0) await this.blocks.keep(this.core.id, blocks, true)
    const entry = { cid: root.cid, size: root.size, mediaType, visibility }
    const value = contentValue({ ...entry, ...(encryption && { encryption: encryptionValue(encryption) }) })
    const put = await this.putOrAsk({ verb: 'put', path: at, value }, blocks, options.ask ?? false)
    return { cid: root.cid, size: root.size, ...put }
  }

  private async putOrAsk(
    act: Act,
    blocks: readonly string[],
    ask: NonNullable<PublishOptions['ask']>,
  ): Promise<Pick<Published, 'op' | 'asked'>> {
    try {
      return { op: await this.core.act(act, { blocks }) }
    } catch (error) {
      if (!(error instanceof VotesNeededError) || ask === false) throw error
      return { asked: await askOthers(this.core, act, { ...(ask !== true && ask), blocks }) }
    }
  }

  /** Blocks of this device, then of the node; with a root, what lies below it comes in one stream. */
  private source(root?: CID): BlockSource {
    let ahead: Ahead | undefined
    return async (cid) => {
      const here = await this.blocks.get(this.core.id, cid.toString())
      if (here) return here
      if (root && root.code !== RAW) ahead ??= new Ahead(await this.fetchCar(root))
      return (await ahead?.take(cid)) ?? (await this.fetchBlock(cid)).bytes
    }
  }

  private async fetchBlock(cid: CID): Promise<Block> {
    const response = await this.client.send(`/ipfs/${cid}?format=raw`)
    return verifyBlock(cid, new Uint8Array(await response.arrayBuffer()))
  }

  private async fetchCar(root: CID): Promise<AsyncGenerator<Block>> {
    const response = await this.client.send(`/ipfs/${root}?format=car&dag-scope=entity`)
    return decodeCar(piecesOf(response))
  }
}

function contentAt(path: string, entry: ContentEntry, { op, at, by }: Written): ContentAt {
  const { cid, size, mediaType, visibility } = entry
  const encryption = readEncryption(entry.encryption)
  return { path, cid, size, mediaType, visibility, ...(encryption && { encryption }), op, at, by }
}

/** Blocks that come in the order in which they are read, but for a few. */
class Ahead {
  private readonly waiting = new Map<string, Uint8Array>()
  private bytes = 0

  constructor(private readonly stream: AsyncGenerator<Block>) {}

  async take(cid: CID): Promise<Uint8Array | undefined> {
    const wanted = cid.toString()
    const early = this.waiting.get(wanted)
    if (early) return early
    while (this.bytes < AHEAD_BYTES_MAX) {
      const next = await this.stream.next()
      if (next.done) return undefined
      if (next.value.cid.toString() === wanted) return next.value.bytes
      this.waiting.set(next.value.cid.toString(), next.value.bytes)
      this.bytes += next.value.bytes.length
    }
    return undefined
  }
}

async function* piecesOf(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader()
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) yield read.value
}

const MEDIA_TYPES: Record<string, string> = {
  css: 'text/css; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
  gif: 'image/gif',
  html: 'text/html; charset=utf-8',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  md: 'text/markdown; charset=utf-8',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  pdf: 'application/pdf',
  png: 'image/png',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
  wasm: 'application/wasm',
  webm: 'video/webm',
  webp: 'image/webp',
  xml: 'application/xml',
}

/** The media type that a name ends in; `application/octet-stream` where it says nothing. */
export function mediaTypeOf(path: string): string {
  return MEDIA_TYPES[path.slice(path.lastIndexOf('.') + 1).toLowerCase()] ?? 'application/octet-stream'
}
