/**
 * Making a replica and a node's core equal: what waits here is sent, what is new there is taken in.
 *
 * @module
 */

import { CID } from 'multiformats/cid'
import type { Client, Schemas } from '../api/client.js'
import { verifyBlock } from '../content/block.js'
import { Uploader } from '../content/upload.js'
import { blockOf, toBase64 } from '../core/bytes.js'
import { type CoreId, type OpId, parseId } from '../core/ids.js'
import { encodeLogin } from '../core/login.js'
import { decodeSigned } from '../core/op.js'
import { ProblemError, QuotaError, RateLimitedError, RemovedFromCoreError, SessionExpiredError } from '../errors.js'
import type { LocalBlocks } from './blocks.js'
import type { ForeignOp, RefusedOp, Replica, Unsent } from './replica.js'

const PAGE = 200
const POST_OPS_MAX = 100

/** What a sync did. */
export interface SyncReport {
  /** Operations of this device that the node has now. */
  readonly sent: number
  /** Operations that were new here. */
  readonly received: number
  /** Operations that the node refused for good, or that came from it and are not good. They change nothing. */
  readonly refused: readonly RefusedOp[]
}

/**
 * Takes in what is new at the node.
 *
 * @throws NetworkError, SessionExpiredError; RemovedFromCoreError where the core is not there any more.
 */
export async function pull(client: Client, replica: Replica): Promise<{ fresh: number; refused: RefusedOp[] }> {
  const path = { core: replica.log.core }
  const { heads } = await reached(replica, client.call('get', '/@{core}/-/heads', { path }))
  const lacking = new Set(heads.map((head) => parseId<OpId>(head)).filter((head) => !replica.log.has(head)))
  const found: ForeignOp[] = []
  let cursor: string | undefined
  // Newest first, until everything that is followed is here: what is followed is older.
  while (lacking.size > 0) {
    const query = { order: 'desc', limit: PAGE, ...(cursor !== undefined && { cursor }) }
    const page = await reached(replica, client.call('get', '/@{core}/-/ops', { path, query }))
    for (const view of page.ops) {
      const op = foreign(view)
      if (!lacking.delete(op.id)) continue
      found.push(op)
      for (const prev of decodeSigned(op.signed).header.prev) {
        if (!replica.log.has(prev)) lacking.add(prev)
      }
    }
    if (!page.next) break
    cursor = page.next
  }
  return replica.takeForeign(found, Date.now())
}

/** Not found, where it was found before or must be: somebody was removed. */
async function reached<T>(replica: Replica, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== 'not-found') throw error
    throw new RemovedFromCoreError(replica.log.core, replica.unsent.length)
  }
}

/**
 * Sends what waits, the oldest first, until something is refused for good.
 *
 * @throws NetworkError, SessionExpiredError, QuotaError, UploadInterruptedError, RateLimitedError: what waits goes on
 * waiting; RemovedFromCoreError where the core is not there any more.
 */
export async function push(
  client: Client,
  replica: Replica,
  blocks: LocalBlocks,
): Promise<{ sent: number; refused?: RefusedOp }> {
  let sent = 0
  for (let batch = next(replica, POST_OPS_MAX); batch.length > 0; ) {
    const refusal = await send(client, replica, blocks, batch)
    if (!refusal) {
      for (const { id } of batch) await replica.sent(id)
      sent += batch.length
      batch = next(replica, POST_OPS_MAX)
    } else if (batch.length > 1) {
      // Which of them it was, only one by one can tell.
      batch = next(replica, 1)
    } else {
      return { sent, refused: refusal }
    }
  }
  return { sent }
}

async function send(
  client: Client,
  replica: Replica,
  blocks: LocalBlocks,
  batch: readonly Unsent[],
): Promise<RefusedOp | undefined> {
  const { core } = replica.log
  await upload(client, core, blocks, batch)
  try {
    await post(
      client,
      core,
      batch.map(({ id }) => entryOf(replica, id)),
    )
    return undefined
  } catch (error) {
    if (!isFinal(error)) throw error
    if (error.code === 'not-found') throw new RemovedFromCoreError(core, replica.unsent.length)
    return { id: (batch[0] as Unsent).id, why: error.message }
  }
}

function next(replica: Replica, count: number): Unsent[] {
  return replica.unsent.slice(0, count)
}

/** Whether trying again later cannot help. */
function isFinal(error: unknown): error is ProblemError {
  if (!(error instanceof ProblemError)) return false
  const passing =
    error instanceof SessionExpiredError ||
    error instanceof QuotaError ||
    error instanceof RateLimitedError ||
    error.status >= 500
  return !passing && error.code !== 'pending'
}

async function upload(client: Client, core: CoreId, blocks: LocalBlocks, batch: readonly Unsent[]): Promise<void> {
  const uploader = new Uploader(client, core)
  for (const cid of new Set(batch.flatMap((unsent) => unsent.blocks))) {
    const bytes = await blocks.get(core, cid)
    if (bytes) await uploader.add(await verifyBlock(CID.parse(cid), bytes))
  }
  await uploader.finish()
}

async function post(client: Client, core: CoreId, ops: Schemas['OpPostEntry'][]): Promise<void> {
  await client.call('post', '/@{core}/-/ops', { path: { core }, body: { ops } })
}

function entryOf(replica: Replica, id: OpId): Schemas['OpPostEntry'] {
  const op = replica.blocks(id)
  const login = op?.login && replica.login(op.login)
  if (!op?.body) throw new TypeError(`operation \`${id}\` was made here, so it is here`)
  return {
    signed: toBase64(op.signed),
    body: toBase64(op.body),
    ...(login && { login: toBase64(encodeLogin(login)) }),
  }
}

function foreign(view: Schemas['OpView']): ForeignOp {
  return {
    id: parseId(view.id),
    signed: blockOf(view.signed),
    ...(view.body && { body: blockOf(view.body) }),
    ...(view.login && { login: blockOf(view.login) }),
  }
}
