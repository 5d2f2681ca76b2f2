import {
  type FileData,
  KubeltError,
  NetworkError,
  SessionExpiredError,
  UploadInterruptedError,
  type Visibility,
} from '@kubelt/sdk'
import { account } from './account.svelte.js'
import { cores } from './cores.svelte.js'
import type { OpenCore } from './open-core.svelte.js'

/** How an upload stands. `kept`: it is on this device, and is sent once there is a network. */
export type UploadState = 'waiting' | 'sending' | 'paused' | 'kept' | 'done' | 'failed' | 'cancelled'

/** Larger ones are not kept on the device while there is no network: they wait in this page. */
const KEPT_BYTES_MAX = 64_000_000
const RETRY_FIRST_MS = 2_000
const RETRY_LAST_MS = 60_000

/** What is to be published at one path: a file, or a directory as one. */
export interface Wanted {
  readonly path: string
  readonly data: { readonly file: FileData } | { readonly files: Readonly<Record<string, File>> }
  readonly size: number
  readonly visibility: Visibility
}

/** An upload, from being chosen to being at the node. */
export class Upload {
  state = $state<UploadState>('waiting')
  /** Bytes that the node has. */
  done = $state(0)
  trouble = $state.raw<unknown>()
  readonly ending = new AbortController()

  constructor(
    readonly id: number,
    /** The core that it goes to, as in `OpenCore.ref`; it may have to be opened again by another session. */
    readonly ref: string,
    readonly wanted: Wanted,
  ) {}

  get isOver(): boolean {
    return this.state === 'done' || this.state === 'failed' || this.state === 'cancelled'
  }

  get name(): string {
    const { path } = this.wanted
    return path.slice(path.lastIndexOf('/') + 1)
  }
}

/** Uploads go on while the person looks at other pages, one after the other. What breaks off is taken up again by itself. */
class Uploads {
  all = $state.raw<readonly Upload[]>([])
  #last = 0
  #isAtWork = false
  #retryMs = RETRY_FIRST_MS
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor() {
    addEventListener('online', () => this.resume())
    addEventListener('beforeunload', (event) => {
      if (this.all.some(({ state }) => state === 'sending' || state === 'waiting' || state === 'paused'))
        event.preventDefault()
    })
  }

  add(open: OpenCore, wanted: readonly Wanted[]): void {
    const added = wanted.map((one) => new Upload(++this.#last, open.ref, one))
    this.all = [...this.all.filter((upload) => !upload.isOver), ...added]
    void this.#work()
  }

  /** Takes up again what waits for something: a network, a session. */
  resume(): void {
    clearTimeout(this.#timer)
    for (const upload of this.all) if (upload.state === 'paused') upload.state = 'waiting'
    void this.#work()
  }

  retry(upload: Upload): void {
    upload.state = 'waiting'
    upload.trouble = undefined
    void this.#work()
  }

  /** What has arrived of it stays at the node for a while: the same again sends only the rest. */
  cancel(upload: Upload): void {
    upload.state = 'cancelled'
    upload.ending.abort()
  }

  /** Forgets those that are over. */
  clear(): void {
    this.all = this.all.filter((upload) => !upload.isOver)
  }

  async #work(): Promise<void> {
    if (this.#isAtWork) return
    this.#isAtWork = true
    try {
      for (let next = this.#next(); next; next = this.#next()) await this.#send(next)
    } finally {
      this.#isAtWork = false
    }
  }

  #next(): Upload | undefined {
    return this.all.find(({ state }) => state === 'waiting')
  }

  async #send(upload: Upload): Promise<void> {
    const { session } = account
    if (!session) {
      upload.state = 'paused'
      return
    }
    upload.state = 'sending'
    upload.trouble = undefined
    try {
      const open = await cores.open(session, upload.ref)
      await this.#publish(open, upload)
      await this.#arrive(open, upload)
      this.#retryMs = RETRY_FIRST_MS
    } catch (error) {
      if (!upload.ending.signal.aborted) this.#stopped(upload, error)
    }
  }

  /** Blocks right to the node, so that a large file needs no room here; to this device where the node is not reached. */
  async #publish(open: OpenCore, upload: Upload): Promise<void> {
    const { wanted, ending } = upload
    const publish = (local: boolean) => {
      const options = {
        visibility: wanted.visibility,
        local,
        signal: ending.signal,
        onProgress: ({ blocks }: { blocks: number }) => {
          upload.done = Math.min(wanted.size, blocks * BLOCK_BYTES)
        },
      }
      const { content } = open.core
      return 'files' in wanted.data
        ? content.putDirectory(wanted.path, wanted.data.files, options)
        : content.put(wanted.path, wanted.data.file, options)
    }
    try {
      await publish(false)
    } catch (error) {
      const isAway = error instanceof UploadInterruptedError && error.blocksSent === 0
      if (!isAway || wanted.size > KEPT_BYTES_MAX || ending.signal.aborted) throw error
      await publish(true)
    }
  }

  /** The blocks are there; the operation that names them goes the way of all that is written. */
  async #arrive(open: OpenCore, upload: Upload): Promise<void> {
    try {
      const { refused } = await open.sync()
      const path = `content/${upload.wanted.path}`
      const mine = refused.find(({ act }) => act?.verb === 'put' && act.path === path)
      if (mine) throw new KubeltError('refused', `The node refused it: ${mine.why}`)
      upload.done = upload.wanted.size
      upload.state = 'done'
    } catch (error) {
      if (!(error instanceof NetworkError) && !(error instanceof UploadInterruptedError)) throw error
      upload.state = 'kept'
      open.whenSent(() => {
        upload.state = 'done'
      })
    }
  }

  #stopped(upload: Upload, error: unknown): void {
    upload.trouble = error
    const comesBack = error instanceof UploadInterruptedError || error instanceof NetworkError
    upload.state = comesBack || error instanceof SessionExpiredError ? 'paused' : 'failed'
    if (error instanceof SessionExpiredError) account.isOver = true
    if (!comesBack) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.resume(), this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_LAST_MS)
  }
}

/** What files are cut into. */
const BLOCK_BYTES = 1024 * 1024

export const uploads = new Uploads()
