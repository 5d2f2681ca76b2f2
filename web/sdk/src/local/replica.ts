/**
 * A whole replica of one core: log, state and blocks, kept in storage, and the operations that wait to be sent.
 *
 * @module
 */

import { decodeBody, encodeBody } from '../core/body.js'
import { decodeGenesis, encodeGenesis, type Genesis } from '../core/genesis.js'
import type { CoreId, LoginId, OpId } from '../core/ids.js'
import { compareEntries, type Entry, entryOf, verifyUnder } from '../core/log/entry.js'
import type { Node } from '../core/log/graph.js'
import { Log } from '../core/log/log.js'
import {
  type CheckedLogin,
  checkLogin,
  decodeLogin,
  encodeLogin,
  factsOf,
  type Login,
  type LoginFacts,
  loginIdOf,
  readLogin,
} from '../core/login.js'
import { type Act, type Body, decodeSigned, encodeSigned, type Signed } from '../core/op.js'
import type { Verdict } from '../core/signature.js'
import { MapState } from '../core/state.js'
import { DeviceFullError } from '../errors.js'
import type { Change, Storage } from './storage.js'

/** An operation as blocks. */
export interface OpBlocks {
  readonly signed: Uint8Array
  readonly body?: Uint8Array
  readonly login?: LoginId
}

/** An operation that came from elsewhere. */
export interface ForeignOp {
  readonly id: OpId
  readonly signed: Uint8Array
  readonly body?: Uint8Array
  readonly login?: Uint8Array
}

/** What waits to be sent beside an operation. */
export interface Unsent {
  readonly id: OpId
  /** Blocks of the content that it names, by CID. */
  readonly blocks: readonly string[]
}

/** An operation that a node refused for good, and why. */
export interface RefusedOp {
  readonly id: OpId
  readonly why: string
  /** What it was to do, so that nothing is lost. */
  readonly act?: Act
}

const OP = 'op/'
const LOGIN = 'login/'
const UNSENT = 'unsent/'
const REFUSED = 'refused/'

/** See the module. */
export class Replica {
  readonly log: Log
  readonly state: MapState
  private readonly ops = new Map<OpId, OpBlocks>()
  private readonly logins = new Map<LoginId, Login>()
  private readonly checked = new Map<LoginId, { login: CheckedLogin; verdict: Verdict }>()
  private readonly facts = new Map<LoginId, LoginFacts>()
  private readonly waiting = new Map<OpId, Unsent>()
  private readonly refusals = new Map<OpId, RefusedOp>()

  private constructor(
    genesis: Genesis,
    private readonly storage: Storage,
  ) {
    this.log = new Log(genesis)
    this.state = new MapState(this.log)
  }

  /** The replica of a core, with what was stored of it. */
  static async load(genesis: Genesis, storage: Storage): Promise<Replica> {
    const replica = new Replica(genesis, storage)
    await replica.read()
    return replica
  }

  /** The genesis of a core that was stored. */
  static async genesisOf(core: CoreId, storage: Storage): Promise<Genesis | undefined> {
    const stored = await storage.get(tableOf(core), 'genesis')
    return stored instanceof Uint8Array ? decodeGenesis(stored) : undefined
  }

  /** Operations that were not sent yet, the oldest first. */
  get unsent(): Unsent[] {
    const order = (id: OpId) => this.log.graph.find(id)?.order ?? 0
    return [...this.waiting.values()].sort((a, b) => order(a.id) - order(b.id))
  }

  /** Operations that a node refused. */
  get refused(): RefusedOp[] {
    return [...this.refusals.values()]
  }

  /** An operation as blocks. */
  blocks(id: OpId): OpBlocks | undefined {
    return this.ops.get(id)
  }

  /** A login that is here. */
  login(id: LoginId): Login | undefined {
    return this.logins.get(id)
  }

  /** What a login says about this core. */
  factsOf(login: Login): LoginFacts {
    const id = loginIdOf(login)
    const facts = this.facts.get(id) ?? factsOf(readLogin(login), this.log.core)
    this.facts.set(id, facts)
    return facts
  }

  /**
   * Takes in an operation that was made here, and keeps it until it is sent.
   *
   * @throws DeviceFullError where there is no room; nothing changed then.
   */
  async takeOwn(
    signed: Signed,
    body: Body,
    login: Login | undefined,
    blocks: readonly string[],
    nowMs: number,
  ): Promise<OpId> {
    // A session's own signature needs no second look; a wallet's may be another account's.
    const entry = login ? entryOf(signed.header, body, this.factsOf(login)) : verifyUnder(signed, body).entry
    const unsent: Unsent = { id: entry.id, blocks }
    const own = { entry, signed, body, ...(login && { login }) }
    await this.write([...this.changesOf([own]), { put: UNSENT + entry.id, value: unsent }])
    this.note([own])
    this.waiting.set(entry.id, unsent)
    this.log.insert(entry, nowMs)
    return entry.id
  }

  /**
   * Takes in operations that came from a node, each checked as if nobody was to be trusted, but for the signatures of
   * contract wallets, which only a chain can judge: those are the node's word.
   *
   * @returns those that were refused here, and why
   */
  async takeForeign(ops: readonly ForeignOp[], nowMs: number): Promise<{ fresh: number; refused: RefusedOp[] }> {
    const taken: Taken[] = []
    const refused: RefusedOp[] = []
    for (const op of ops) {
      if (this.log.has(op.id)) continue
      try {
        const { signed, body, login } = this.readOp(op)
        const { entry } = verifyUnder(signed, body, login && this.check(login))
        taken.push({ entry, signed, ...(body && { body }), ...(login && { login }) })
      } catch (error) {
        refused.push({ id: op.id, why: error instanceof Error ? error.message : String(error) })
      }
      if (taken.length % 64 === 63) await breathe()
    }
    taken.sort((a, b) => compareEntries(a.entry, b.entry))
    const result = this.log.insertMany(
      taken.map(({ entry }) => entry),
      nowMs,
    )
    for (const [id, refusal] of result.refused) refused.push({ id, why: refusal.message })
    const good = taken.filter(({ entry }) => this.log.has(entry.id))
    await this.write(this.changesOf(good))
    this.note(good)
    return { fresh: good.length, refused }
  }

  /** Notes that an operation was sent. */
  async sent(id: OpId): Promise<void> {
    await this.write([{ delete: UNSENT + id }])
    this.waiting.delete(id)
  }

  /** Operations that wait, in the past of which another lies, and this one. */
  unsentAfter(id: OpId): Unsent[] {
    const after = new Set<Node>()
    for (const node of this.log.graph.nodes) {
      if (node.id === id || node.prev.some((prev) => after.has(prev))) after.add(node)
    }
    const ids = new Set([...after].map((node) => node.id))
    return this.unsent.filter((unsent) => ids.has(unsent.id))
  }

  /**
   * The same replica, in memory, without operations that nobody else has; {@link Replica.replace} makes that durable
   * together with what is made instead of them.
   */
  without(ids: ReadonlySet<OpId>): Replica {
    const other = new Replica(this.log.genesis, this.storage)
    for (const [id, login] of this.logins) other.logins.set(id, login)
    for (const [id, unsent] of this.waiting) if (!ids.has(id)) other.waiting.set(id, unsent)
    for (const [id, refused] of this.refusals) other.refusals.set(id, refused)
    const kept = [...this.ops].filter(([id]) => !ids.has(id))
    const entries = kept.map(([id, blocks]) => other.restore(id, blocks)).sort(compareEntries)
    other.log.insertMany(entries, Number.MAX_SAFE_INTEGER)
    return other
  }

  /**
   * Takes the place of a replica that had `gone` in it, with new operations instead, in one step.
   *
   * @param refused those of `gone` that a node refused, and why
   */
  async replace(
    gone: ReadonlySet<OpId>,
    made: readonly { signed: Signed; body: Body; login: Login; blocks: readonly string[] }[],
    refused: readonly RefusedOp[],
  ): Promise<void> {
    const changes: Change[] = [...gone].flatMap((id) => [{ delete: OP + id }, { delete: UNSENT + id }])
    for (const { signed, body, login, blocks } of made) {
      const entry = entryOf(signed.header, body, this.factsOf(login))
      const unsent: Unsent = { id: entry.id, blocks }
      changes.push(...this.changesOf([{ entry, signed, body, login }]), { put: UNSENT + entry.id, value: unsent })
      this.note([{ entry, signed, body, login }])
      this.waiting.set(entry.id, unsent)
    }
    for (const one of refused) {
      changes.push({ put: REFUSED + one.id, value: one })
      this.refusals.set(one.id, one)
    }
    await this.write(changes)
  }

  private readOp(op: ForeignOp): { signed: Signed; body: Body | undefined; login: Login | undefined } {
    const signed = decodeSigned(op.signed)
    const named = signed.header.login
    const login = op.login ? decodeLogin(op.login) : named && this.logins.get(named)
    return { signed, body: op.body && decodeBody(op.body), login }
  }

  /** Checks a login once. */
  private check(login: Login): { login: CheckedLogin; verdict: Verdict } {
    const id = loginIdOf(login)
    const checked = this.checked.get(id) ?? checkLogin(login)
    this.checked.set(id, checked)
    return checked
  }

  private async read(): Promise<void> {
    const stored = await this.storage.entries(tableOf(this.log.core))
    if (stored.length === 0) {
      await this.write([{ put: 'genesis', value: encodeGenesis(this.log.genesis) }])
      return
    }
    for (const [key, value] of stored) {
      if (key.startsWith(LOGIN)) this.logins.set(key.slice(LOGIN.length) as LoginId, decodeLogin(value as Uint8Array))
      if (key.startsWith(UNSENT)) this.waiting.set(key.slice(UNSENT.length) as OpId, value as Unsent)
      if (key.startsWith(REFUSED)) this.refusals.set(key.slice(REFUSED.length) as OpId, value as RefusedOp)
    }
    // They were checked before they were stored.
    const entries = stored
      .filter(([key]) => key.startsWith(OP))
      .map(([key, value]) => this.restore(key.slice(OP.length) as OpId, value as OpBlocks))
    this.log.insertMany(entries.sort(compareEntries), Number.MAX_SAFE_INTEGER)
  }

  private restore(id: OpId, blocks: OpBlocks): Entry {
    const { header } = decodeSigned(blocks.signed)
    const body = blocks.body && decodeBody(blocks.body)
    const named = blocks.login && this.logins.get(blocks.login)
    const login = named && (this.facts.get(blocks.login as LoginId) ?? this.factsOf(named))
    this.ops.set(id, blocks)
    return { id, header, ...(body && { body }), ...(login && { login }) }
  }

  private changesOf(taken: readonly Taken[]): Change[] {
    return taken.flatMap(({ entry, signed, body, login }) => {
      const named = entry.login?.id
      const blocks: OpBlocks = {
        signed: encodeSigned(signed),
        ...(body && { body: encodeBody(body) }),
        ...(named && { login: named }),
      }
      const changes: Change[] = [{ put: OP + entry.id, value: blocks }]
      if (named && login && !this.logins.has(named)) changes.push({ put: LOGIN + named, value: encodeLogin(login) })
      return changes
    })
  }

  private note(taken: readonly Taken[]): void {
    for (const { entry, signed, body, login } of taken) {
      const named = entry.login?.id
      this.ops.set(entry.id, {
        signed: encodeSigned(signed),
        ...(body && { body: encodeBody(body) }),
        ...(named && { login: named }),
      })
      if (named && login) this.logins.set(named, login)
    }
  }

  private async write(changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return
    try {
      await this.storage.write(tableOf(this.log.core), changes)
    } catch (error) {
      if ((error as { name?: unknown })?.name === 'QuotaExceededError') throw new DeviceFullError({ cause: error })
      throw error
    }
  }
}

interface Taken {
  readonly entry: Entry
  readonly signed: Signed
  readonly body?: Body
  readonly login?: Login
}

function tableOf(core: CoreId): string {
  return `core/${core}`
}

/** Lets others have the thread. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve))
}
