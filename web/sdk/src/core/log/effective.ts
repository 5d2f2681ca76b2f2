/**
 * Effective: which operations count, as a function of the set of operations alone
 * (crates/kubelt-core/src/log/effective.rs).
 *
 * It goes down the grant tree: rotations, then authority operations by depth, then what sessions did, then content.
 * Nothing it asks about lies at the same place or below, so it ends on every input.
 *
 * @module
 */

import { thresholdOf } from '../account.js'
import type { BodyId } from '../ids.js'
import { contentCounts } from './content.js'
import { areTwins, compareNodes, firstOf, type Graph, isInPast, type Node } from './graph.js'
import type { Past } from './past.js'
import { voices } from './rules.js'
import { Status } from './status.js'

/** What must have an operation in its past for a grant's revocations to spare it. */
interface Meet {
  revokes?: Past
  resignations?: Past
}

/** Order of evaluation among operations of one depth: resignations, seals, others. */
type Class = 0 | 1 | 2

/** Judges everything anew: sets every node's flag, and gives what the next operation is judged by. */
export function evaluate(graph: Graph): { status: Status; counting: Set<Node> } {
  const judge = new Judge(graph)
  judge.run()
  return { status: judge.status, counting: judge.counting }
}

/** Whether enough accounts agree to content under a threshold. */
function hasQuorum(graph: Graph, op: Node, votes: readonly Node[]): boolean {
  const to = graph.holder(op.auth)
  return to !== undefined && voices(op.header.by, votes) >= thresholdOf(to)
}

class Judge {
  readonly status: Status
  readonly counting = new Set<Node>()
  private readonly meets = new Map<Node, Meet>()
  private readonly consumed = new Set<BodyId>()
  private readonly sessionVotes: Node[] = []

  constructor(private readonly graph: Graph) {
    this.status = new Status(graph)
  }

  run(): void {
    this.rotations()
    for (const login of this.graph.signIns) this.status.enterSignIn(login)
    this.authority()
    for (const vote of this.sessionVotes) {
      if (this.stands(vote, false) && this.waited(vote) && this.inSession(vote)) this.counting.add(vote)
    }
    for (const put of contentCounts(this.graph, this.status, this.counting)) this.counting.add(put)
    this.paidPuts()
  }

  /** Of the rotations of one root authority, the least (`at`, id) stands. */
  private rotations(): void {
    for (let next = firstOf(this.graph.rotates.get(undefined)); next; next = firstOf(this.graph.rotates.get(next))) {
      this.counting.add(next)
      this.status.rotated.set(this.status.root, next)
      this.status.root = next
    }
  }

  private authority(): void {
    const order: { op: Node; depth: number; class: Class }[] = []
    for (const op of this.graph.authority) {
      const { act } = op
      if (!act || act.verb === 'rotate') continue
      if (act.verb === 'logout') {
        this.counting.add(op)
        continue
      }
      if (act.verb === 'vote' && op.login) {
        this.sessionVotes.push(op)
        continue
      }
      order.push({ op, depth: op.auth?.grant?.depth ?? 0, class: this.classOf(op) })
    }
    order.sort((a, b) => a.depth - b.depth || a.class - b.class || compareNodes(a.op, b.op))
    for (const { op, class: kind } of order) {
      if (this.stands(op, kind === 0) && this.waited(op) && this.consumes(op)) {
        this.counting.add(op)
        this.takeEffect(op, kind)
      }
    }
  }

  private classOf(op: Node): Class {
    if (op.act?.verb === 'revoke' && areTwins(this.graph.find(op.act.grant), op.auth)) return 0
    return op.act?.verb === 'seal' || op.act?.verb === 'claim' ? 1 : 2
  }

  /** The rules of the chain: every grant counts, and no rotation or revocation hits that does not know `op`. */
  private stands(op: Node, resignation: boolean): boolean {
    if (op.auth && !this.counting.has(op.auth)) return false
    const rotation = this.status.rotated.get(op.auth)
    if (rotation && !isInPast(op, rotation)) return false
    const own = op.auth?.grant?.twin
    return this.graph.chain(op.auth).every((grant) => {
      const twin = grant.grant?.twin
      const meet = twin && this.meets.get(twin)
      if (!meet) return true
      const spared = (past: Past | undefined) => !past || past.has(op.seq ?? -1)
      return spared(meet.revokes) && ((resignation && own === twin) || spared(meet.resignations))
    })
  }

  /** The rule of the wait, for an operation directly under a grant that has one. */
  private waited(op: Node): boolean {
    if (this.graph.waitOf(op.auth) === undefined) return true
    if (op.act?.verb === 'claim') return this.status.isTimely(op)
    if (op.act?.verb === 'revoke' && areTwins(this.graph.find(op.act.grant), op.auth)) return true
    return this.status.isRipe(op)
  }

  /** Votes pay for one operation. */
  private consumes(op: Node): boolean {
    const proposal = op.header.verb === 'seal' ? this.graph.sealProposals.get(op) : undefined
    if (proposal === undefined) return true
    if (this.consumed.has(proposal)) return false
    this.consumed.add(proposal)
    return true
  }

  private takeEffect(op: Node, kind: Class): void {
    if (op.act?.verb === 'seal') this.status.enterSeal(op)
    if (op.act?.verb === 'claim') this.status.countClaim(op)
    if (op.act?.verb !== 'revoke') return
    const twin = this.graph.find(op.act.grant)?.grant?.twin
    if (!twin) return
    this.status.revoked.set(twin, [...(this.status.revoked.get(twin) ?? []), op])
    const meet = this.meets.get(twin) ?? {}
    const side = kind === 0 ? 'resignations' : 'revokes'
    meet[side] = meet[side]?.meet(op.past) ?? op.past
    this.meets.set(twin, meet)
  }

  /** The rules of the login, for an authority operation. */
  private inSession(op: Node): boolean {
    if (!op.login) return true
    const ended = this.graph.logouts(op.login.id, op.header.by)
    const closed = this.status.firstSeal(op.login.expiresMs)
    return ended.every((logout) => isInPast(op, logout)) && (!closed || this.status.isSealed(op, closed))
  }

  /** Content under a threshold: enough of its votes count, and no earlier twin used them up. */
  private paidPuts(): void {
    for (const paid of this.graph.paid.values()) {
      const standing = paid.filter(
        ([op, votes]) =>
          this.counting.has(op) &&
          hasQuorum(
            this.graph,
            op,
            votes.filter((vote) => this.counting.has(vote)),
          ),
      )
      for (const [op] of paid) this.counting.delete(op)
      const first = firstOf(standing.map(([op]) => op))
      if (first) this.counting.add(first)
    }
  }
}
