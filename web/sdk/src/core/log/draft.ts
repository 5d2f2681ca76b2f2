/**
 * Making operations: which authority to name, what to follow, what date to carry.
 *
 * @module
 */

import { sortAbilities } from '../ability.js'
import { type Account, accountsOf, type Principal, thresholdOf } from '../account.js'
import { bodyIdOf } from '../body.js'
import { HLC_MAX } from '../hlc.js'
import { asRoot, compareIds, type OpId } from '../ids.js'
import { PREV_MAX } from '../limits.js'
import type { LoginFacts } from '../login.js'
import { type Act, type Body, type Header, verbOf } from '../op.js'
import { entryOf } from './entry.js'
import { areTwins, compareNodes, holderOf, type Node } from './graph.js'
import type { Log } from './log.js'
import { authAllows, authCovers, examine } from './rules.js'

/** What somebody wants to do. */
export interface Intent {
  readonly by: Account
  /** By which session; absent where the account itself signs. */
  readonly login?: LoginFacts
  readonly act: Act
  /** By which authority; the one that fits best when absent. */
  readonly auth?: OpId
  /** Votes to cite, where several must agree. */
  readonly votes?: readonly OpId[]
}

/** Nothing in force allows what somebody wants to do. */
export class DraftError extends Error {
  override readonly name = 'DraftError'
}

/**
 * Makes the operation that `intent` asks for, to be signed, at `nowMs` milliseconds since the Unix epoch, after all that
 * is known.
 *
 * @param salt 16 random bytes
 * @throws DraftError where nothing allows it or the session is over; Refusal where it would not be well-formed.
 */
export function draft(log: Log, intent: Intent, salt: Uint8Array, nowMs: number): { header: Header; body: Body } {
  const { by, login } = intent
  const act = complete(log, intent.act)
  const auth = intent.auth === undefined ? authorityFor(log, by, act) : authorityOf(log, intent.auth)
  if (auth === 'none') throw new DraftError(`\`${by}\` may not \`${wanted(act)}\``)
  if (login && !log.isSessionOpen(login, by)) throw new DraftError('the sign-in is over; sign in again')
  const at = log.nextAt(nowMs)
  if (at === undefined || at === HLC_MAX) throw new DraftError('no later date exists in this core')
  const votes = [...(intent.votes ?? [])].sort(compareIds)
  const cited = votes.map((vote) => log.graph.find(vote))
  const needed = [auth, act.verb === 'revoke' ? log.graph.find(act.grant) : undefined, ...cited]
  const body: Body = { salt, act }
  const header: Header = {
    core: log.core,
    prev: prevFor(log, needed),
    by,
    ...(login && { login: login.id }),
    auth: log.graph.authorityId(auth),
    at,
    votes,
    verb: verbOf(act),
    body: bodyIdOf(body),
  }
  examine(log.graph, entryOf(header, body, login))
  return { header, body }
}

/**
 * The authority for an act of `by`, and who holds it.
 *
 * @returns `undefined` where none allows it
 */
export function holderFor(log: Log, by: Account, act: Act): { auth: OpId; to: Principal } | undefined {
  const auth = authorityFor(log, by, complete(log, act))
  const to = auth === 'none' ? undefined : log.graph.holder(auth)
  return auth === 'none' || !to ? undefined : { auth: log.graph.authorityId(auth), to }
}

function authorityOf(log: Log, id: OpId): Node | undefined | 'none' {
  return id === asRoot(log.core) ? undefined : (log.graph.find(id) ?? 'none')
}

function wanted(act: Act): string {
  return act.verb === 'put' ? `put ${act.path}` : verbOf(act)
}

/** Puts an act into its canonical form, and says whom a grant that is taken back was given to. */
export function complete(log: Log, act: Act): Act {
  if (act.verb === 'grant') return { ...act, can: sortAbilities(act.can) }
  if (act.verb !== 'revoke' || act.from) return act
  const grant = log.graph.find(act.grant)?.grant
  return grant ? { ...act, from: holderOf(grant.act) } : act
}

/** The authority for one act: the root, or the grant with the fewest signers and the shortest chain. */
function authorityFor(log: Log, by: Account, act: Act): Node | undefined | 'none' {
  const { graph, status } = log
  if (accountsOf(log.root()).includes(by) && fits(log, status.root, act)) return status.root
  const held = (graph.held.get(by) ?? []).filter((grant) => log.isOpen(grant) && isUsable(log, grant, act))
  return held.filter((grant) => fits(log, grant, act)).sort((a, b) => rank(log, a, b))[0] ?? 'none'
}

/** A grant with a wait is of use only once that is over, but to claim it, resign and end sign-ins. */
function isUsable(log: Log, grant: Node, act: Act): boolean {
  const waits = act.verb !== 'claim' && act.verb !== 'logout' && act.verb !== 'revoke'
  return !waits || log.graph.waitOf(grant) === undefined || (log.status.claims.get(grant)?.ripe.length ?? 0) > 0
}

function rank(log: Log, a: Node, b: Node): number {
  const signers = (grant: Node) => thresholdOf(log.graph.holder(grant) ?? grant.header.by)
  return signers(a) - signers(b) || (a.grant?.depth ?? 0) - (b.grant?.depth ?? 0) || compareNodes(a, b)
}

function fits(log: Log, auth: Node | undefined, act: Act): boolean {
  switch (act.verb) {
    case 'put':
      return authAllows(auth, 'put', act.path)
    case 'grant':
      return authAllows(auth, 'grant') && act.can.every((ability) => authCovers(auth, ability))
    case 'revoke': {
      const target = log.graph.find(act.grant)
      if (!target) return false
      const above = auth !== undefined && log.graph.chain(target.auth).includes(auth)
      return !auth?.grant || areTwins(target, auth) || (authAllows(auth, 'revoke') && above)
    }
    case 'rotate':
      return !auth?.grant
    case 'seal':
      return act.state === undefined ? authAllows(auth, 'seal') : !auth?.grant
    case 'claim':
      return log.graph.waitOf(auth) !== undefined
    case 'vote':
    case 'logout':
      return true
  }
}

/** The heads to follow, so that what is needed lies in the past. */
function prevFor(log: Log, needed: readonly (Node | undefined)[]): OpId[] {
  const heads = log.graph.heads().reverse()
  const prev = new Set<Node>()
  if (heads.length > PREV_MAX) {
    for (const node of needed) {
      const knows = node && heads.find((head) => head.past.has(node.seq ?? -1))
      if (knows) prev.add(knows)
    }
  }
  for (const head of heads) if (prev.size < PREV_MAX) prev.add(head)
  return [...prev].map((node) => node.id).sort(compareIds)
}
