/**
 * The log of one core: which operations count.
 *
 * @module
 */

import type { Ability } from '../ability.js'
import { type Account, accountsOf, type Principal } from '../account.js'
import { Refusal } from '../errors.js'
import type { Genesis } from '../genesis.js'
import { type Hlc, msOf, nextHlc } from '../hlc.js'
import type { CoreId, OpId } from '../ids.js'
import { CLOCK_AHEAD_MS_MAX } from '../limits.js'
import type { LoginFacts } from '../login.js'
import type { Body } from '../op.js'
import { evaluate } from './effective.js'
import { checkBody, type Entry } from './entry.js'
import { Graph, type Node } from './graph.js'
import { checkLateBody, examine } from './rules.js'
import { Status } from './status.js'

/** An operation whose standing changed, and whether it counts now. */
export type Change = readonly [id: OpId, effective: boolean]

/** What taking an operation in changed. */
export interface Inserted {
  /** Whether it was not here before. */
  readonly fresh: boolean
  readonly effective: boolean
  /** Other operations whose standing changed. */
  readonly changes: readonly Change[]
}

/** A grant that new operations can act by. */
export interface GrantView {
  readonly id: OpId
  readonly by: Account
  readonly to: Principal
  readonly role?: string
  readonly can: readonly Ability[]
  readonly depth: number
}

/** The operations of one core, in memory. */
export class Log {
  readonly graph: Graph
  private current: Status
  /** Heads that sign-ins name and that are not here yet. */
  private readonly awaited = new Set<OpId>()

  constructor(readonly genesis: Genesis) {
    this.graph = new Graph(genesis)
    this.current = new Status(this.graph)
  }

  get core(): CoreId {
    return this.graph.core
  }

  /** How many operations there are, effective or not. */
  get size(): number {
    return this.graph.nodes.length
  }

  get status(): Status {
    return this.current
  }

  has(id: OpId): boolean {
    return this.graph.find(id) !== undefined
  }

  isEffective(id: OpId): boolean {
    return this.graph.find(id)?.effective ?? false
  }

  /** The operations that nothing follows, by date and id. */
  heads(): OpId[] {
    return this.graph.heads().map((node) => node.id)
  }

  /** The root now. */
  root(): Principal {
    return this.graph.holder(this.current.root) ?? this.graph.founder
  }

  /**
   * Takes an operation in and judges it, and what it changes, at `nowMs` (milliseconds since the Unix epoch). One that
   * is here already changes nothing.
   *
   * @throws Refusal says which rule it breaks; `UnknownPrev` and `Ahead` that it must wait.
   */
  insert(entry: Entry, nowMs: number): Inserted {
    const known = this.graph.find(entry.id)
    if (known) return { fresh: false, effective: known.effective, changes: [] }
    const before = this.current
    const [node, everything] = this.add(entry, nowMs)
    if (!everything && entry.header.verb === 'put') {
      node.effective = this.isNewPutGood(node, before)
      return { fresh: true, effective: node.effective, changes: [] }
    }
    const changes = this.evaluate().filter(([id]) => id !== entry.id)
    return { fresh: true, effective: node.effective, changes }
  }

  /** Takes many operations in, each after everything it follows, and judges once at the end. */
  insertMany(entries: Iterable<Entry>, nowMs: number): { refused: Map<OpId, Refusal>; changes: Change[] } {
    const refused = new Map<OpId, Refusal>()
    for (const entry of entries) {
      if (this.has(entry.id)) continue
      try {
        this.add(entry, nowMs)
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        refused.set(entry.id, error)
      }
    }
    return { refused, changes: this.evaluate() }
  }

  /**
   * Takes in the body of a `put` that came without.
   *
   * @throws Refusal, or DecodeError, when the operation should never have been taken in.
   */
  takeBody(id: OpId, body: Body): void {
    const node = this.graph.find(id)
    if (!node || node.act) return
    checkBody(node.header, body)
    checkLateBody(this.graph, node, body)
    node.act = body.act
  }

  /** The date that a new operation made at `nowMs` would carry; `undefined` when no later time exists. */
  nextAt(nowMs: number): Hlc | undefined {
    return nextHlc(this.graph.heads().at(-1)?.header.at, nowMs)
  }

  /** The grants that new operations can act by. */
  grants(): GrantView[] {
    return this.graph.authority.flatMap((node) => {
      if (!node.grant || !this.isOpen(node)) return []
      const { act, depth } = node.grant
      const role = act.as === undefined ? {} : { role: act.as }
      return [{ id: node.id, by: node.header.by, to: act.to, ...role, can: act.can, depth }]
    })
  }

  /** Whether an account may do anything at all here: it is of the root, or a grant to it is in force. */
  hasPart(account: Account): boolean {
    const held = this.graph.held.get(account) ?? []
    return accountsOf(this.root()).includes(account) || held.some((grant) => this.isOpen(grant))
  }

  /** Whether new work by an authority can count: nothing cut it off yet. */
  isOpen(auth: Node | undefined, status: Status = this.current): boolean {
    if (auth && !auth.effective) return false
    if (!auth?.grant) return auth === status.root
    return this.graph.chain(auth).every((grant) => !grant.grant || !status.revoked.has(grant.grant.twin))
  }

  /** Whether a session can still do new work. */
  isSessionOpen(login: LoginFacts, by: Account): boolean {
    return this.graph.logouts(login.id, by).length === 0 && !this.current.firstSeal(login.expiresMs)
  }

  /** Adds an operation; whether everything has to be judged anew because of it. */
  private add(entry: Entry, nowMs: number): [Node, boolean] {
    const placed = examine(this.graph, entry)
    const untilMs = msOf(entry.header.at) - CLOCK_AHEAD_MS_MAX
    if (untilMs > nowMs) {
      throw new Refusal('Ahead', `the operation is dated ahead of this clock; it counts from ${untilMs} ms on`)
    }
    const isNewLogin = entry.login !== undefined && !this.graph.logins.has(entry.login.id)
    const node = this.graph.push(entry, placed)
    const dates = isNewLogin && entry.login !== undefined && this.enterSignIn(entry.login)
    const wasAwaited = this.awaited.delete(entry.id)
    return [node, dates || wasAwaited || placed.votes !== undefined]
  }

  /** Files a login that was not known before; whether it is a seal of something. */
  private enterSignIn(login: LoginFacts): boolean {
    const alone = this.genesis.kind !== 'shared' && this.genesis.root === login.account
    if (!alone || login.heads.length === 0) return false
    this.graph.signIns.push(login)
    for (const head of login.heads) if (!this.has(head)) this.awaited.add(head)
    return true
  }

  /** A new `put` lies in nobody's past, so that it is judged by what is known about its chain alone. */
  private isNewPutGood(node: Node, status: Status): boolean {
    if (!this.isOpen(node.auth, status)) return false
    if (node.login && !this.isSessionOpen(node.login, node.header.by)) return false
    return this.graph.waitOf(node.auth) === undefined || status.isRipe(node)
  }

  /** Judges everything anew; gives what changed. */
  private evaluate(): Change[] {
    const { status, counting } = evaluate(this.graph)
    this.current = status
    const changes: Change[] = []
    for (const node of this.graph.nodes) {
      const effective = counting.has(node)
      if (node.effective !== effective) changes.push([node.id, effective])
      node.effective = effective
    }
    return changes
  }
}
