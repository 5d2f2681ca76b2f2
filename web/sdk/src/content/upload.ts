/**
 * Blocks into a core. The node is asked which blocks of a batch the core lacks, and gets those: whatever arrived stays, so
 * the same again, after whatever stopped it, sends only what is missing.
 *
 * @module
 */

import type { Client } from '../api/client.js'
import type { CoreId } from '../core/ids.js'
import { NetworkError, ProblemError, UploadInterruptedError } from '../errors.js'
import type { Block } from './block.js'
import { encodeCar } from './car.js'

/** Bytes of one batch, about. */
const BATCH_BYTES = 4 * 1024 * 1024
const BATCH_BLOCKS_MAX = 1_000
const TRIES_MAX = 4
const PAUSE_FIRST_MS = 250

/** How far an upload is. */
export interface Progress {
  /** Blocks that the core has by now. */
  readonly blocks: number
  /** Of them, those that it had before. */
  readonly known: number
  /** Bytes of blocks that were sent. */
  readonly bytesSent: number
}

/** How to upload. */
export interface UploadOptions {
  readonly onProgress?: (progress: Progress) => void
  readonly signal?: AbortSignal
}

/** Sends the blocks of a core that the node lacks. */
export class Uploader {
  private batch = new Map<string, Block>()
  private bytes = 0
  private seen = 0
  private done: Progress = { blocks: 0, known: 0, bytesSent: 0 }

  constructor(
    private readonly client: Client,
    private readonly core: CoreId,
    private readonly options: UploadOptions = {},
  ) {}

  /**
   * Takes a block; sends a batch when there is one.
   *
   * @throws UploadInterruptedError when the network fails for good; QuotaError and other ProblemErrors.
   */
  async add(block: Block): Promise<void> {
    this.batch.set(block.cid.toString(), block)
    this.bytes += block.bytes.length
    this.seen++
    if (this.bytes >= BATCH_BYTES || this.batch.size >= BATCH_BLOCKS_MAX) await this.flush()
  }

  /** Sends what is left. */
  async finish(): Promise<Progress> {
    if (this.batch.size > 0) await this.flush()
    return this.done
  }

  private async flush(): Promise<void> {
    const { batch } = this
    ;[this.batch, this.bytes] = [new Map(), 0]
    const before = this.done
    try {
      const { missing, bytes } = await retried(() => this.send(batch))
      const { blocks, known, bytesSent } = before
      this.done = {
        blocks: blocks + batch.size,
        known: known + batch.size - missing,
        bytesSent: bytesSent + bytes,
      }
      this.options.onProgress?.(this.done)
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error
      throw new UploadInterruptedError(before.blocks, this.seen, { cause: error })
    }
  }

  private async send(batch: ReadonlyMap<string, Block>): Promise<{ missing: number; bytes: number }> {
    const { signal } = this.options
    const path = { core: this.core }
    const asked = await this.client.call('post', '/@{core}/-/possession', {
      path,
      body: { cids: [...batch.keys()] },
      ...(signal && { signal }),
    })
    const blocks = asked.missing.map((cid) => batch.get(cid)).filter((block) => block !== undefined)
    if (blocks.length > 0) {
      await this.client.send(`/@${this.core}/-/car`, {
        method: 'POST',
        headers: { 'content-type': 'application/vnd.ipld.car' },
        body: encodeCar([], blocks),
        ...(signal && { signal }),
      })
    }
    return { missing: blocks.length, bytes: blocks.reduce((sum, block) => sum + block.bytes.length, 0) }
  }
}

/** Tries again what fails in passing: a lost connection, a node that is busy. */
async function retried<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      const passing = error instanceof NetworkError || (error instanceof ProblemError && error.status === 503)
      if (!passing || tries === TRIES_MAX) throw error
      await new Promise((resolve) => setTimeout(resolve, PAUSE_FIRST_MS * 2 ** (tries - 1)))
    }
  }
}
