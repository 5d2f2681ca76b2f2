/**
 * A core on this device: reads and writes go to the local store and work with no network; `sync` merges with the node by
 * the same rules as everywhere.
 *
 * @module
 */

import { headsOf } from '../api/events.js'
import { type Account, thresholdOf } from '../core/account.js'
import { blockOf } from '../core/bytes.js'
import type { Value } from '../core/dag-cbor.js'
import { Refusal } from '../core/errors.js'
import { coreIdOf, decodeGenesis, type Genesis } from '../core/genesis.js'
import { msOf } from '../core/hlc.js'
import { type CoreId, type OpId, parseId } from '../core/ids.js'
import { NONCE_BYTES } from '../core/limits.js'
import { DraftError, draft } from '../core/log/draft.js'
import { entryOf } from '../core/log/entry.js'
import type { Node } from '../core/log/graph.js'
import type { GrantView, Log } from '../core/log/log.js'
import type { Login, LoginFacts } from '../core/login.js'
import type { Act, Body, Signed } from '../core/op.js'
import { parsePath } from '../core/path.js'
import {
  IntegrityError,
  NotAllowedError,
  ProblemError,
  RemovedFromCoreError,
  SessionExpiredError,
  VotesNeededError,
} from '../errors.js'
import type { Session } from '../session/session.js'
import { type Signer, signOperation } from '../session/signer.js'
import { LocalBlocks } from './blocks.js'
import { CoreContent } from './content.js'
import { type RefusedOp, Replica, type Unsent } from './replica.js'
import type { Storage } from './storage.js'
import { pull, push, type SyncReport } from './sync.js'

/** Which core to open, and where it is kept. */
export interface OpenOptions {
  /** The id of a shared core in which the account has a part; the account's private core when absent. */
  readonly core?: CoreId | string
  /** Where the core is kept; where the session is when absent. */
  readonly storage?: Storage
}

/** How to do something, where it does not go by itself. */
export interface ActDetails {
  /** By which authority; the one that fits best when absent. */
  readonly auth?: OpId
  /** Votes that it cites. */
  readonly votes?: readonly OpId[]
  /** 16 random bytes, where others have voted on an act with them. */
  readonly salt?: Uint8Array
  /** The words that a vote is on, where it does not carry them. */
  readonly what?: string
  /** Blocks of content that the act names and that are here, by CID: they are sent with it. */
  readonly blocks?: readonly string[]
}

/** What {@link Core.live} tells. */
export interface LiveOptions {
  /** How long to wait before the node is asked again, where it tells nothing, in milliseconds; 3,000 when absent. */
  readonly everyMs?: number
  /** It is in step with the node. */
  readonly onSync?: (report: SyncReport) => void
  /** Something failed in passing; it is tried again. */
  readonly onError?: (error: unknown) => void
}

/** A write of a path, as the log has it. */
export interface Written {
  readonly op: OpId
  /** When, by the word of who made it. */
  readonly at: Date
  readonly by: Account
  /** What it set; null where it cleared the path. */
  readonly value: Value
  /** Whether it counts: one does not whose authority was taken back. */
  readonly effective: boolean
}

/** See the module. */
export class Core {
  readonly content: CoreContent
  private readonly listeners = new Set<() => void>()
  /** Writes are made one after the other: each follows the one before. */
  private turn: Promise<unknown> = Promise.resolve()
  private syncing: Promise<SyncReport> | undefined

  private constructor(
    readonly session: Session,
    private replica: Replica,
    private readonly blocks: LocalBlocks,
  ) {
    this.content = new CoreContent(this, session.client, blocks)
  }

  /**
   * Opens a core. A private one can be opened for the first time with no network; a shared one that was never here
   * cannot.
   *
   * @throws NetworkError, RemovedFromCoreError for a shared core that was never here.
   */
  static async open(session: Session, options: OpenOptions = {}): Promise<Core> {
    const storage = options.storage ?? session.storage
    const core = options.core === undefined ? session.core : parseId<CoreId>(options.core)
    const genesis = (await Replica.genesisOf(core, storage)) ?? (await genesisFor(session, core))
    return Core.begin(session, genesis, storage)
  }

  /** A core of which nothing is known but its beginning. */
  static async begin(session: Session, genesis: Genesis, storage: Storage = session.storage): Promise<Core> {
    return new Core(session, await Replica.load(genesis, storage), new LocalBlocks(storage))
  }

  get id(): CoreId {
    return this.replica.log.core
  }

  get genesis(): Genesis {
    return this.replica.log.genesis
  }

  /** How many writes of this device were not sent yet. */
  get unsent(): number {
    return this.replica.unsent.length
  }

  /** Writes of this device that the node refused for good. They are kept, and it is for the person to say what to do. */
  get refused(): readonly RefusedOp[] {
    return this.replica.refused
  }

  /** The rules of this core, and all that is known of it. */
  get log(): Log {
    return this.replica.log
  }

  /** The bytes of an operation as they are kept here, and the sign-in that it names: `checkOperation` looks them over. */
  evidence(op: OpId): { signed: Uint8Array; body?: Uint8Array; login?: Login } | undefined {
    const blocks = this.replica.blocks(op)
    if (!blocks) return undefined
    const { login: named, ...kept } = blocks
    const login = named && this.replica.login(named)
    return { ...kept, ...(login && { login }) }
  }

  /** The grants that are in force. */
  get grants(): readonly GrantView[] {
    return this.replica.log.grants()
  }

  /** The value at a path of the map; `undefined` where there is none. */
  get(path: string): Value | undefined {
    return this.replica.state.get(path)
  }

  /** The paths at and below a prefix that have a value, in the order of paths. */
  entries(prefix?: string): [path: string, value: Value][] {
    return this.written(prefix).map(([path, { value }]) => [path, value])
  }

  /** The same with what decides each: which operation, when it was made, and by whom. */
  written(prefix?: string): [path: string, written: Written][] {
    const winners = this.replica.state.winners(prefix)
    return winners.flatMap(([path, { op, value }]) => (value === null ? [] : [[path, writtenBy(op, value)]]))
  }

  /** Every write of a path that is known here, latest first. */
  history(path: string): Written[] {
    return this.replica.state.history(path).map((op) => writtenBy(op, op.act?.verb === 'put' ? op.act.value : null))
  }

  /**
   * Sets the value at a path; null clears it. The session signs.
   *
   * @returns the operation, which is on this device when the promise resolves, and is sent by the next sync
   * @throws NotAllowedError, VotesNeededError, SessionExpiredError, RemovedFromCoreError, DeviceFullError; nothing changed
   * then.
   */
  put(path: string, value: Value): Promise<OpId> {
    return this.act({ verb: 'put', path: parsePath(path), value })
  }

  /**
   * Does what the session signs: a `put`, a vote on content, its own end.
   *
   * @throws as {@link Core.put}.
   */
  act(act: Act, details: ActDetails = {}): Promise<OpId> {
    const { session } = this
    return this.inTurn(async () => {
      const { header, body } = this.draft(act, details, this.replica.factsOf(session.login))
      return this.take(await session.sign(header, body), body, details.blocks ?? [])
    })
  }

  /**
   * Does what the account itself must sign, such as a grant. The signer is shown in words what it does.
   *
   * @throws SignatureRejectedError, AccountSwitchedError, NotAllowedError, VotesNeededError; nothing changed then.
   */
  sign(signer: Signer, act: Act, details: ActDetails = {}): Promise<OpId> {
    return this.inTurn(async () => {
      const { header, body } = this.draft(act, details, undefined, signer.account)
      return this.take(await signOperation(signer, header, body, details.what), body, details.blocks ?? [])
    })
  }

  /**
   * Sends what waits, and takes in what is new at the node.
   *
   * @throws NetworkError, SessionExpiredError, QuotaError, UploadInterruptedError, RateLimitedError,
   * RemovedFromCoreError: what was not sent goes on waiting, over a restart, too.
   */
  sync(): Promise<SyncReport> {
    this.syncing ??= this.exchange().finally(() => {
      this.syncing = undefined
    })
    return this.syncing
  }

  /**
   * Sends what waits, without a look at what is new. A sync does both.
   *
   * @returns how many operations were sent, and those that were refused
   * @throws as {@link Core.sync}.
   */
  async send(): Promise<Pick<SyncReport, 'sent' | 'refused'>> {
    const refused: RefusedOp[] = []
    let sent = 0
    for (let more = true; more; ) {
      const done = await push(this.session.client, this.replica, this.blocks)
      sent += done.sent
      more = done.refused !== undefined
      if (done.refused) refused.push(await this.giveUp(done.refused))
    }
    return { sent, refused }
  }

  /** Calls back after each change of the core, whoever made it. Gives what ends that. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /**
   * The heads after each change, whoever made it, until the loop is left. What changes while nobody looks is one change.
   *
   * @example
   * ```ts
   * import { Client, Core, keySigner, Session } from '@kubelt/sdk'
   *
   * const client = new Client('http://127.0.0.1:4747')
   * const core = await Core.open(await Session.signIn(client, keySigner(process.env.WALLET_SECRET ?? '')))
   * const stop = core.live()
   * setTimeout(() => core.put('profile/name', 'Ada'))
   * for await (const heads of core.changes()) {
   *   console.log(heads.length, core.get('profile/name'))
   *   if (core.get('profile/name') === 'Ada') break
   * }
   * stop()
   * ```
   */
  async *changes(): AsyncGenerator<readonly OpId[]> {
    let isChanged = false
    let wake = () => {}
    const stop = this.onChange(() => {
      isChanged = true
      wake()
    })
    try {
      for (;;) {
        if (!isChanged) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
        isChanged = false
        yield this.log.heads()
      }
    } finally {
      stop()
    }
  }

  /**
   * Keeps the core up to date from now on: hears from the node of each change, and sends what is written. Where the node
   * tells nothing, and while it cannot be reached, it is asked every few seconds, ever less often. Gives what ends that.
   */
  live(options: LiveOptions = {}): () => void {
    const { everyMs = 3_000, onSync, onError } = options
    const ended = new AbortController()
    const fail = (error: unknown) => {
      if (!ended.signal.aborted) onError?.(error)
    }
    const stopListening = this.onChange(() => {
      if (this.unsent > 0) void this.settle(onSync).catch(fail)
    })
    void this.follow({ everyMs, ...(onSync && { onSync }), onError: fail }, ended.signal)
    return () => {
      ended.abort()
      stopListening()
    }
  }

  private async follow(options: LiveOptions & { everyMs: number }, signal: AbortSignal): Promise<void> {
    const { everyMs, onSync, onError } = options
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.settle(onSync)
        failures = 0
        for await (const { heads } of headsOf(this.session.client, this.id, signal)) {
          if (heads.some((head) => !this.log.has(parseId<OpId>(head)))) await this.settle(onSync)
        }
      } catch (error) {
        const isDeaf = failures === 0 && error instanceof ProblemError && error.code === 'not-found'
        if (!isDeaf) {
          failures++
          onError?.(error)
        }
      }
      await pause(everyMs * 2 ** Math.min(failures, 5), signal)
    }
  }

  /** Syncs until nothing waits: something may be written meanwhile. */
  private async settle(onSync?: LiveOptions['onSync']): Promise<void> {
    do {
      const report = await this.sync()
      onSync?.(report)
    } while (this.unsent > 0)
  }

  private async exchange(): Promise<SyncReport> {
    const { client } = this.session
    const first = await pull(client, this.replica)
    await this.remakeVoid()
    const { sent, refused: given } = await this.send()
    const refused: RefusedOp[] = [...first.refused, ...given]
    // What was sent may have met what is new there.
    const second = sent > 0 ? await pull(client, this.replica) : { fresh: 0, refused: [] }
    refused.push(...second.refused)
    await this.blocks.release(this.id, this.replica.unsent)
    const received = first.fresh + second.fresh
    if (received > 0 || refused.length > 0) this.tell()
    return { sent, received, refused }
  }

  /** What waits and counts no more, because its session has ended, is made again by this one. */
  private remakeVoid(): Promise<void> {
    return this.inTurn(async () => {
      const { log } = this.replica
      const isVoid = ({ id }: { id: OpId }) => !log.isEffective(id)
      const first = this.replica.unsent.find(isVoid)
      if (first) await this.remake(this.replica.unsentAfter(first.id), [])
    })
  }

  /** What a node refused goes, and what was written after it is made again without it. */
  private giveUp(refusal: RefusedOp): Promise<RefusedOp> {
    return this.inTurn(async () => {
      const act = this.replica.log.graph.find(refusal.id)?.act
      const refused: RefusedOp = { ...refusal, ...(act && { act }) }
      await this.remake(this.replica.unsentAfter(refusal.id), [refused])
      return refused
    })
  }

  /** Makes operations again, in their order, but for those that were refused; all of them, or none. */
  private async remake(unsent: readonly Unsent[], refused: readonly RefusedOp[]): Promise<void> {
    const { session } = this
    const gone = new Set(unsent.map(({ id }) => id))
    const given = [...refused]
    const next = this.replica.without(gone)
    const made = []
    for (const { id, blocks } of unsent) {
      const node = this.replica.log.graph.find(id)
      const act = node?.act
      if (!node || !act || given.some((one) => one.id === id)) continue
      if (act.verb !== 'put' || !node.login) {
        given.push({ id, act, why: 'it followed an operation that was refused; it has to be signed again' })
        continue
      }
      const details = isShared(this.replica, id) ? { auth: node.header.auth, votes: node.header.votes } : {}
      const { header, body } = this.draft(act, details, next.factsOf(session.login), session.account, next)
      next.log.insert(entryOf(header, body, next.factsOf(session.login)), Date.now())
      made.push({ signed: await session.sign(header, body), body, login: session.login, blocks })
    }
    await next.replace(gone, made, given)
    this.replica = next
  }

  private async take(signed: Signed, body: Body, blocks: readonly string[]): Promise<OpId> {
    const login = signed.header.login && this.session.login
    const id = await this.replica.takeOwn(signed, body, login, blocks, Date.now())
    this.tell()
    return id
  }

  private draft(
    act: Act,
    { auth, votes, salt = crypto.getRandomValues(new Uint8Array(NONCE_BYTES)) }: ActDetails,
    login: LoginFacts | undefined,
    by: Account = this.session.account,
    { log } = this.replica,
  ) {
    const intent = { by, ...(login && { login }), act, ...(auth && { auth }), ...(votes && { votes }) }
    try {
      return draft(log, intent, salt, Date.now())
    } catch (error) {
      if (error instanceof DraftError && log.size > 0 && !log.hasPart(by))
        throw new RemovedFromCoreError(log.core, this.unsent)
      if (error instanceof DraftError)
        throw login && !log.isSessionOpen(login, by) ? new SessionExpiredError() : notAllowed(error)
      if (error instanceof Refusal && error.code === 'LoginDates') throw new SessionExpiredError()
      if (error instanceof Refusal && error.code === 'Quorum')
        throw new VotesNeededError(error.message, { cause: error })
      if (error instanceof Refusal) throw notAllowed(error)
      throw error
    }
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.turn.then(work)
    this.turn = done.catch(() => {})
    return done
  }

  private tell(): void {
    for (const listener of this.listeners) listener()
  }
}

function writtenBy(op: Node, value: Value): Written {
  const { id, header, effective } = op
  return { op: id, at: new Date(msOf(header.at)), by: header.by, value, effective }
}

/** Waits, unless that is ended. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
  })
}

function notAllowed(error: Error): NotAllowedError {
  return new NotAllowedError(error.message, { cause: error })
}

/** Whether an operation is done by an authority that several share: it is to stay under that one. */
function isShared({ log }: Replica, id: OpId): boolean {
  const node = log.graph.find(id)
  const to = node && log.graph.holder(node.auth)
  return to !== undefined && thresholdOf(to) > 1
}

/** The genesis of an own core follows from the account; that of another one is asked for, and must be its id's. */
async function genesisFor(session: Session, core: CoreId): Promise<Genesis> {
  if (core === session.core) return session.genesis
  const own: Genesis = { kind: 'private', root: session.account }
  if (coreIdOf(own) === core) return own
  const page = await session.client.call('get', '/@{core}/-/ops', { path: { core }, query: { limit: 1 } })
  const genesis = decodeGenesis(blockOf(page.genesis))
  if (coreIdOf(genesis) !== core) throw new IntegrityError(`The beginning of the core ${core}`)
  return genesis
}
