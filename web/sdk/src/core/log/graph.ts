/**
 * The graph of operations, each after everything it follows, with what authority operations do beside it.
 *
 * @module
 */

import { type Account, accountsOf, type Principal } from '../account.js'
import type { Genesis } from '../genesis.js'
import { coreIdOf } from '../genesis.js'
import { asRoot, type BodyId, type CoreId, compareIds, type LoginId, type OpId } from '../ids.js'
import type { LoginFacts } from '../login.js'
import { type Act, type Header, type Holder, proposalOf } from '../op.js'
import type { Entry } from './entry.js'
import { Past } from './past.js'

/** A grant's act. */
export type GrantAct = Extract<Act, { verb: 'grant' }>

/** A grant's place in the tree. */
export interface GrantPlace {
  readonly act: GrantAct
  /** Grants between it and the root, itself included. */
  readonly depth: number
  /** The first grant of the same proposal: what a revocation of either hits. */
  readonly twin: Node
}

/** One operation in the graph. */
export interface Node {
  readonly id: OpId
  readonly header: Header
  /** How many came before it. */
  readonly order: number
  readonly prev: readonly Node[]
  /** The authority operations in its past, and itself when it is one. */
  readonly past: Past
  /** The grant or rotation it acts by; absent for the genesis. */
  readonly auth: Node | undefined
  readonly login: LoginFacts | undefined
  /** Its number among the authority operations; absent for a `put`. */
  readonly seq: number | undefined
  act: Act | undefined
  grant: GrantPlace | undefined
  effective: boolean
}

/** A well-formed operation's place in the graph. */
export interface Placed {
  readonly prev: readonly Node[]
  readonly past: Past
  readonly auth: Node | undefined
  /** The votes it counts, where its authority has a threshold. */
  readonly votes: readonly Node[] | undefined
}

/** The claims of a grant that must wait. */
interface Claims {
  readonly all: Node[]
  /** Those that follow another by the wait. */
  readonly ripe: Node[]
}

/** Operations and what they say, by what is asked for. */
export class Graph {
  readonly core: CoreId
  readonly founder: Principal
  readonly nodes: Node[] = []
  /** Authority operations, by their number. */
  readonly authority: Node[] = []
  readonly logins = new Map<LoginId, LoginFacts>()
  /** Sign-ins that date what they name. */
  readonly signIns: LoginFacts[] = []
  /** `put`s under a threshold with the votes they count, by proposal. */
  readonly paid = new Map<BodyId, (readonly [Node, readonly Node[]])[]>()
  /** The proposal of each seal under a threshold. */
  readonly sealProposals = new Map<Node, BodyId>()
  /** Rotations by the root authority that they replace. */
  readonly rotates = new Map<Node | undefined, Node[]>()
  readonly claims = new Map<Node, Claims>()
  readonly held = new Map<Account, Node[]>()
  private readonly byId = new Map<OpId, Node>()
  private readonly twins = new Map<BodyId, Node>()
  private readonly logoutsBy = new Map<string, Node[]>()
  private readonly headSet = new Set<Node>()

  constructor(readonly genesis: Genesis) {
    this.core = coreIdOf(genesis)
    this.founder = genesis.root
  }

  find(id: OpId): Node | undefined {
    return this.byId.get(id)
  }

  /** The operations that nothing follows, by date and id. */
  heads(): Node[] {
    return [...this.headSet].sort(compareNodes)
  }

  /** Whether everything known lies in the past of an operation that follows `prev`. */
  coveredBy(prev: readonly Node[]): boolean {
    return prev.filter((node) => this.headSet.has(node)).length === this.headSet.size
  }

  /** The logouts of a login by one account. */
  logouts(login: LoginId, by: Account): readonly Node[] {
    return this.logoutsBy.get(`${login} ${by}`) ?? []
  }

  /** Who acts by an authority; `undefined` where it is none. */
  holder(auth: Node | undefined): Principal | undefined {
    if (auth === undefined) return this.founder
    if (auth.grant) return auth.grant.act.to
    return auth.act?.verb === 'rotate' ? auth.act.root : undefined
  }

  /** The grants that an operation by `auth` hangs on, from `auth` up to the root. */
  chain(auth: Node | undefined): Node[] {
    const chain: Node[] = []
    for (let grant = auth; grant?.grant; grant = grant.auth) chain.push(grant)
    return chain
  }

  /** The id of an authority: the genesis, a rotation or a grant. */
  authorityId(auth: Node | undefined): OpId {
    return auth?.id ?? asRoot(this.core)
  }

  /** How long the holder of an authority must wait, in milliseconds. */
  waitOf(auth: Node | undefined): number | undefined {
    return auth?.grant?.act.wait
  }

  /** Whether `second` follows one of `claims` by a wait. */
  isRipeAfter(claims: readonly Node[], second: Node, waitMs: number): boolean {
    const at = second.header.at >> 16n
    return claims.some((first) => (first.header.at >> 16n) + BigInt(waitMs) <= at && isInPast(first, second))
  }

  push(entry: Entry, placed: Placed): Node {
    const { header } = entry
    const seq = header.verb === 'put' ? undefined : this.authority.length
    const node: Node = {
      id: entry.id,
      header,
      order: this.nodes.length,
      prev: placed.prev,
      past: seq === undefined ? placed.past : placed.past.with(seq),
      auth: placed.auth,
      login: entry.login,
      seq,
      act: entry.body?.act,
      grant: undefined,
      effective: false,
    }
    this.nodes.push(node)
    this.byId.set(node.id, node)
    for (const prev of placed.prev) this.headSet.delete(prev)
    this.headSet.add(node)
    if (seq !== undefined) this.authority.push(node)
    if (entry.login && !this.logins.has(entry.login.id)) this.logins.set(entry.login.id, entry.login)
    this.file(node)
    if (placed.votes && header.verb === 'put') append(this.paid, proposalOf(header), [node, placed.votes] as const)
    if (placed.votes && header.verb === 'seal') this.sealProposals.set(node, proposalOf(header))
    return node
  }

  /** Everything in the past of nodes, and these, each after everything it follows. */
  closure(from: Iterable<Node>): Node[] {
    const seen = new Set<Node>()
    const open = [...from]
    for (let node = open.pop(); node; node = open.pop()) {
      if (seen.has(node)) continue
      seen.add(node)
      open.push(...node.prev)
    }
    return [...seen].sort((a, b) => a.order - b.order)
  }

  private file(node: Node): void {
    const { act, header } = node
    switch (act?.verb) {
      case 'grant': {
        const proposal = proposalOf(header)
        const twin = this.twins.get(proposal) ?? node
        this.twins.set(proposal, twin)
        node.grant = { act, depth: (node.auth?.grant?.depth ?? 0) + 1, twin }
        for (const account of accountsOf(act.to)) append(this.held, account, node)
        return
      }
      case 'rotate':
        return append(this.rotates, node.auth, node)
      case 'logout':
        return append(this.logoutsBy, `${act.login} ${header.by}`, node)
      case 'claim':
        return this.fileClaim(node)
    }
  }

  /** Files a claim, for the local rule of the wait. */
  private fileClaim(node: Node): void {
    const wait = this.waitOf(node.auth)
    if (!node.auth || wait === undefined) return
    const claims = this.claims.get(node.auth) ?? { all: [], ripe: [] }
    if (this.isRipeAfter(claims.all, node, wait)) claims.ripe.push(node)
    claims.all.push(node)
    this.claims.set(node.auth, claims)
  }
}

/** The authority operations in the past of an operation that follows `prev`. */
export function pastOf(prev: readonly Node[]): Past {
  return prev.reduce((past, node) => past.union(node.past), prev[0]?.past ?? Past.empty)
}

/** Whether an authority operation lies in the past of another operation. */
export function isInPast(node: Node, of: Node): boolean {
  return node !== of && node.seq !== undefined && of.past.has(node.seq)
}

/** Whether two operations are grants of one and the same proposal. */
export function areTwins(a: Node | undefined, b: Node | undefined): boolean {
  return a?.grant !== undefined && a.grant.twin === b?.grant?.twin
}

/** Whom a grant was given to. */
export function holderOf(grant: GrantAct): Holder {
  return { to: grant.to, ...(grant.as !== undefined && { as: grant.as }) }
}

/** The order of operations: by date, then id. */
export function compareNodes(a: Node, b: Node): number {
  if (a.header.at !== b.header.at) return a.header.at < b.header.at ? -1 : 1
  return compareIds(a.id, b.id)
}

/** The least by date, then id. */
export function firstOf(nodes: readonly Node[] | undefined): Node | undefined {
  return nodes?.reduce((first, node) => (compareNodes(node, first) < 0 ? node : first), nodes[0] as Node)
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list) list.push(value)
  else map.set(key, [value])
}
