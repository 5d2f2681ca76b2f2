/**
 * What follows from an evaluation, kept to judge the next operation quickly.
 *
 * @module
 */

import { type Hlc, hlcOf, msOf } from '../hlc.js'
import { compareIds, type OpId } from '../ids.js'
import { LOGIN_GRACE_MS } from '../limits.js'
import type { LoginFacts } from '../login.js'
import { type Graph, isInPast, type Node } from './graph.js'

/** An effective seal, or a sign-in that names heads. */
export interface Seal {
  readonly at: Hlc
  readonly id: string
  readonly byRoot: boolean
  readonly made: { readonly op: Node } | { readonly login: LoginFacts }
}

/** See the module. */
export class Status {
  /** The root authority now: absent for the genesis. */
  root: Node | undefined
  /** Root authorities that were replaced, and by what. */
  readonly rotated = new Map<Node | undefined, Node>()
  /** Effective revocations by the (first twin of the) grant they hit. */
  readonly revoked = new Map<Node, Node[]>()
  /** Everything that closes expired sign-ins, by date. */
  readonly seals: Seal[] = []
  /** Effective claims of a waiting grant, and those of them that end the wait. */
  readonly claims = new Map<Node, { readonly all: Node[]; readonly ripe: Node[] }>()

  constructor(private readonly graph: Graph) {}

  /** The first seal that closes what was dated or expired at `ms`. */
  firstSeal(ms: number, byRoot = false): Seal | undefined {
    const limit = ms + LOGIN_GRACE_MS
    return this.seals.find((seal) => msOf(seal.at) > limit && (seal.byRoot || !byRoot))
  }

  /** Files a sign-in as a seal, once every head that it names is known. */
  enterSignIn(login: LoginFacts): void {
    if (!login.heads.every((head) => this.graph.find(head))) return
    this.add({ at: hlcOf(login.issuedMs), id: login.id, byRoot: true, made: { login } })
  }

  /** Files an effective seal. */
  enterSeal(op: Node): void {
    this.add({ at: op.header.at, id: op.id, byRoot: !op.auth?.grant, made: { op } })
  }

  /** Files an effective claim. */
  countClaim(op: Node): void {
    const wait = this.graph.waitOf(op.auth)
    if (!op.auth || wait === undefined) return
    const claims = this.claims.get(op.auth) ?? { all: [], ripe: [] }
    if (this.graph.isRipeAfter(claims.all, op, wait)) claims.ripe.push(op)
    claims.all.push(op)
    this.claims.set(op.auth, claims)
  }

  /** Whether an authority operation lies in the past of a seal. */
  isSealed(op: Node, seal: Seal): boolean {
    if ('op' in seal.made) return isInPast(op, seal.made.op)
    return namedHeads(this.graph, seal.made.login).some((head) => op.seq !== undefined && head.past.has(op.seq))
  }

  /** Whether no seal of the root speaks against the date of a claim. */
  isTimely(claim: Node): boolean {
    const contradicted = this.firstSeal(msOf(claim.header.at), true)
    return !contradicted || this.isSealed(claim, contradicted)
  }

  /** Whether the wait of its grant is over in the past of an operation. */
  isRipe(op: Node): boolean {
    const ripe = op.auth && this.claims.get(op.auth)?.ripe
    return ripe?.some((claim) => isInPast(claim, op)) ?? false
  }

  private add(seal: Seal): void {
    const at = this.seals.findIndex((other) => compareSeals(seal, other) < 0)
    this.seals.splice(at < 0 ? this.seals.length : at, 0, seal)
  }
}

/** The heads that a sign-in names and that are here. */
export function namedHeads(graph: Graph, login: LoginFacts): Node[] {
  return login.heads.map((head: OpId) => graph.find(head)).filter((node) => node !== undefined)
}

function compareSeals(a: Seal, b: Seal): number {
  if (a.at !== b.at) return a.at < b.at ? -1 : 1
  return compareIds(a.id, b.id)
}
