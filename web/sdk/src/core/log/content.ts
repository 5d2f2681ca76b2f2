/**
 * Which content counts: every cut (revocation, rotation, logout, seal) against every `put`, in sweeps of 31 cuts that
 * each pass over the graph once, backwards, and mark what lies in the cuts' pasts.
 *
 * @module
 */

import type { Graph, Node } from './graph.js'
import { namedHeads, type Seal, type Status } from './status.js'

/** Something that voids what it hits and does not know. */
interface Cut {
  readonly made: Seal['made']
  /** Everything under the grants of this twin, what acts directly by this root, or what these logins signed. */
  readonly hits: { grant: Node } | { root: Node | undefined } | { logins: ReadonlySet<string> }
}

/** Cuts of one sweep: as many as a number of JavaScript has bits to work with. */
const SWEEP = 31

/** The `put`s that count, votes and twins aside. */
export function contentCounts(graph: Graph, status: Status, counting: ReadonlySet<Node>): Node[] {
  let standing = graph.nodes.filter((node) => {
    if (node.header.verb !== 'put') return false
    const authorised = node.auth === undefined || counting.has(node.auth)
    return authorised && (graph.waitOf(node.auth) === undefined || status.isRipe(node))
  })
  const all = cutsOf(graph, status, standing)
  for (let at = 0; at < all.length; at += SWEEP) {
    const batch = all.slice(at, at + SWEEP)
    const known = knownTo(graph, batch)
    const authorityHits = new Map<Node | undefined, number>()
    standing = standing.filter((put) => {
      const mask = authorityHits.get(put.auth) ?? maskOf(graph, batch, put.auth)
      authorityHits.set(put.auth, mask)
      const hit = mask | loginMask(batch, put.login?.id)
      return (hit & ~(known[put.order] as number)) === 0
    })
  }
  return standing
}

/** The cuts that may hit some of these `put`s. */
function cutsOf(graph: Graph, status: Status, puts: readonly Node[]): Cut[] {
  const auths = new Set(puts.map((put) => put.auth))
  const twins = new Set([...auths].flatMap((auth) => graph.chain(auth).map((grant) => grant.grant?.twin)))
  const cuts: Cut[] = []
  for (const [grant, revokes] of status.revoked) {
    if (twins.has(grant)) cuts.push(...revokes.map((op) => ({ made: { op }, hits: { grant } })))
  }
  for (const [root, op] of status.rotated) {
    if (auths.has(root)) cuts.push({ made: { op }, hits: { root } })
  }
  const closed = new Map<Seal, Set<string>>()
  const used = new Map(puts.flatMap(({ login }) => (login ? [[login.id, login] as const] : [])))
  for (const login of used.values()) {
    const logins = new Set([login.id])
    for (const op of graph.logouts(login.id, login.account)) cuts.push({ made: { op }, hits: { logins } })
    const seal = status.firstSeal(login.expiresMs)
    if (seal) closed.set(seal, (closed.get(seal) ?? new Set()).add(login.id))
  }
  for (const [seal, logins] of closed) cuts.push({ made: seal.made, hits: { logins } })
  return cuts
}

/** Which cuts hit what acts by an authority. */
function maskOf(graph: Graph, batch: readonly Cut[], auth: Node | undefined): number {
  const chain = new Set(graph.chain(auth).map((grant) => grant.grant?.twin))
  return bits(batch, ({ hits }) => ('grant' in hits ? chain.has(hits.grant) : 'root' in hits && hits.root === auth))
}

function loginMask(batch: readonly Cut[], login: string | undefined): number {
  if (login === undefined) return 0
  return bits(batch, ({ hits }) => 'logins' in hits && hits.logins.has(login))
}

function bits(batch: readonly Cut[], hits: (cut: Cut) => boolean): number {
  return batch.reduce((mask, cut, bit) => (hits(cut) ? mask | (1 << bit) : mask), 0)
}

/** For every node, the cuts that know it. */
function knownTo(graph: Graph, batch: readonly Cut[]): Int32Array {
  const known = new Int32Array(graph.nodes.length)
  const own = new Map<Node, number>()
  batch.forEach(({ made }, bit) => {
    if ('op' in made) own.set(made.op, (own.get(made.op) ?? 0) | (1 << bit))
    else
      for (const head of namedHeads(graph, made.login)) known[head.order] = (known[head.order] as number) | (1 << bit)
  })
  for (let order = graph.nodes.length - 1; order >= 0; order--) {
    const node = graph.nodes[order] as Node
    const mask = (known[order] as number) | (own.get(node) ?? 0)
    if (mask === 0) continue
    for (const prev of node.prev) known[prev.order] = (known[prev.order] as number) | mask
  }
  return known
}
