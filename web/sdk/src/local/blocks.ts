/**
 * Blocks of content on this device: what waits to be sent, and what is to be there without a network.
 *
 * @module
 */

import type { Block } from '../content/block.js'
import type { CoreId } from '../core/ids.js'
import { DeviceFullError } from '../errors.js'
import type { Unsent } from './replica.js'
import type { Storage } from './storage.js'

/** See the module. */
export class LocalBlocks {
  constructor(private readonly storage: Storage) {}

  /** The bytes of a block that is here. */
  async get(core: CoreId, cid: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const kept = await this.storage.get(tableOf(core), cid)
    return kept instanceof Uint8Array ? new Uint8Array(kept) : undefined
  }

  /**
   * Keeps blocks.
   *
   * @throws DeviceFullError where there is no room.
   */
  async put(core: CoreId, blocks: readonly Block[]): Promise<void> {
    try {
      await this.storage.write(
        tableOf(core),
        blocks.map(({ cid, bytes }) => ({ put: cid.toString(), value: bytes })),
      )
    } catch (error) {
      if ((error as { name?: unknown })?.name === 'QuotaExceededError') throw new DeviceFullError({ cause: error })
      throw error
    }
  }

  /** Notes that content is to stay here after it was sent, or no more. */
  async keep(core: CoreId, cids: readonly string[], kept: boolean): Promise<void> {
    const changes = cids.map((cid) => (kept ? { put: cid, value: true } : { delete: cid }))
    await this.storage.write(keptTableOf(core), changes)
  }

  /** Frees the blocks that neither wait nor are to stay. */
  async release(core: CoreId, unsent: readonly Unsent[]): Promise<void> {
    const waiting = new Set(unsent.flatMap(({ blocks }) => blocks))
    const kept = new Set((await this.storage.entries(keptTableOf(core))).map(([cid]) => cid))
    const free = (await this.storage.keys(tableOf(core))).filter((cid) => !waiting.has(cid) && !kept.has(cid))
    if (free.length > 0)
      await this.storage.write(
        tableOf(core),
        free.map((cid) => ({ delete: cid })),
      )
  }
}

function tableOf(core: CoreId): string {
  return `blocks/${core}`
}

function keptTableOf(core: CoreId): string {
  return `kept/${core}`
}
