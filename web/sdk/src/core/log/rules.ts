/**
 * Well-formed: what one operation and its past alone decide, for ever and alike on every replica
 * (crates/kubelt-core/src/log.rs has the rules in words).
 *
 * @module
 */

import { type Ability, abilityText, allows, covers, type Verb } from '../ability.js'
import { accountsOf, isOfPasskeys, type Principal, samePrincipal, thresholdOf } from '../account.js'
import { sameBytes } from '../bytes.js'
import { DecodeError, Refusal, type RefusalCode } from '../errors.js'
import { HLC_MAX, msOf } from '../hlc.js'
import { asRoot } from '../ids.js'
import { AUTHORITY_OPS_MAX, AUTHORITY_OPS_RESERVED, GRANT_DEPTH_MAX, HEIR_WAIT_MS_MIN } from '../limits.js'
import { type LoginFacts, loginAllows } from '../login.js'
import { type Act, type Body, checkHeader, type Header, proposalOf } from '../op.js'
import { isRequestOf } from '../request.js'
import { hashWords, WordsError, wordsOfProposal } from '../words.js'
import type { Entry } from './entry.js'
import { areTwins, type Graph, holderOf, type Node, type Placed, pastOf } from './graph.js'
import type { Past } from './past.js'

/** Role name of the one grant that a private core allows. */
export const HEIR_ROLE = 'heir'

/**
 * Whether an operation is well-formed and everything it follows is here; its place, if so.
 *
 * @throws Refusal says which rule it breaks; `UnknownPrev` that it must wait.
 */
export function examine(graph: Graph, entry: Entry): Placed {
  const { header, body, login } = entry
  const prev = place(graph, header)
  const past = pastOf(prev)
  const auth = authorityOf(graph, header, past)
  const to = graph.holder(auth)
  if (!to) throw refuse('NotAnAuthority', `\`${header.auth}\` is not a grant and gives no authority`)
  if (!accountsOf(to).includes(header.by)) {
    throw refuse('NotHolder', `authority \`${header.auth}\` was not given to \`${header.by}\``)
  }
  if (body) checkAct(graph, header, body.act, auth, past)
  else checkWithheld(header, auth, to)
  if (login) {
    checkLogin(header, body?.act, login)
    checkEndsOnce(graph, header, body?.act, past)
  }
  const isRoots = !auth?.grant && header.login === undefined
  const room = AUTHORITY_OPS_MAX - (isRoots ? 0 : AUTHORITY_OPS_RESERVED)
  if (header.verb !== 'put' && graph.authority.length >= room) {
    throw refuse('Full', `the core holds ${AUTHORITY_OPS_MAX} authority operations, nearly or wholly as many as it may`)
  }
  const votes = checkQuorum(graph, header, body, to, auth, past)
  checkWait(graph, header, body?.act, auth, past)
  return { prev, past, auth, votes }
}

/**
 * Checks a body that was withheld when its operation was taken in.
 *
 * @throws Refusal when the operation should never have been taken in.
 */
export function checkLateBody(graph: Graph, node: Node, body: Body): void {
  const { header, auth, past, login } = node
  checkAct(graph, header, body.act, auth, past)
  const to = graph.holder(auth)
  if (to) checkQuorum(graph, header, body, to, auth, past)
  if (login && !sessionAllows(login, body.act))
    throw refuse('LoginAbility', `the sign-in does not allow \`${body.act.verb}\``)
}

/** Whether an authority allows a verb; the root may everything. */
export function authAllows(auth: Node | undefined, verb: Verb, path?: string): boolean {
  return !auth?.grant || auth.grant.act.can.some((ability) => allows(ability, verb, path))
}

/** Whether an authority covers an ability that is to be handed on. */
export function authCovers(auth: Node | undefined, ability: Ability): boolean {
  return !auth?.grant || auth.grant.act.can.some((own) => covers(own, ability))
}

/** Whether an act by `auth` gives `auth` itself up. */
export function resigns(graph: Graph, act: Act | undefined, auth: Node | undefined): boolean {
  return act?.verb === 'revoke' && areTwins(graph.find(act.grant), auth)
}

/** Whether a `put` asks others for their votes: its maker's own, under an authority that several share. */
function isRequest(graph: Graph, header: Header, path: string, auth: Node | undefined): boolean {
  const to = graph.holder(auth)
  return to !== undefined && thresholdOf(to) > 1 && isRequestOf(path, header.by)
}

function place(graph: Graph, header: Header): Node[] {
  if (header.core !== graph.core) throw refuse('OtherCore', `the operation belongs to core \`${header.core}\``)
  try {
    checkHeader(header)
  } catch (error) {
    if (error instanceof DecodeError) throw refuse('Shape', error.message)
    throw error
  }
  const unknown = header.prev.filter((id) => !graph.find(id))
  if (unknown.length > 0) {
    throw new Refusal(
      'UnknownPrev',
      `${unknown.length} operations before this one are not here yet; fetch them first`,
      unknown,
    )
  }
  const prev = header.prev.map((id) => graph.find(id) as Node)
  if (header.at === HLC_MAX || prev.some((node) => node.header.at >= header.at)) {
    throw refuse('Date', 'the operation is not dated after everything it follows')
  }
  return prev
}

function authorityOf(graph: Graph, header: Header, past: Past): Node | undefined {
  if (header.auth === asRoot(graph.core)) return undefined
  const auth = graph.find(header.auth)
  const unknown = refuse('UnknownAuth', `authority \`${header.auth}\` is not in the past of the operation`)
  if (!auth) throw unknown
  if (auth.seq === undefined) throw refuse('NotAnAuthority', `\`${header.auth}\` is not a grant and gives no authority`)
  if (!past.has(auth.seq)) throw unknown
  return auth
}

function checkWithheld(header: Header, auth: Node | undefined, to: Principal): void {
  if (header.verb !== 'put') throw refuse('BodyMissing', `the body of a \`${header.verb}\` must not be withheld`)
  // Under a threshold it may be a request.
  if (thresholdOf(to) > 1 || !auth?.grant) return
  if (!auth.grant.act.can.some((ability) => ability.verb === 'put')) throw notAllowed(header)
}

function checkAct(graph: Graph, header: Header, act: Act, auth: Node | undefined, past: Past): void {
  const isRoot = !auth?.grant
  switch (act.verb) {
    case 'put':
      if (authAllows(auth, 'put', act.path) || isRequest(graph, header, act.path, auth)) return
      throw notAllowed(header, act.path)
    case 'grant':
      checkGrant(header, act.can, auth)
      return checkKind(graph, act, auth)
    case 'revoke':
      return checkRevoke(graph, header, act, auth, past)
    case 'rotate':
      if (!isRoot) throw refuse('RootOnly', 'only the root may `rotate`')
      if (graph.genesis.kind === 'shared') return checkOwners(act.root)
      throw refuse('FixedRoot', 'the root of a private or user core cannot be replaced')
    case 'seal':
      if (act.state !== undefined && !isRoot) throw refuse('RootOnly', 'only the root may `seal`')
      if (authAllows(auth, 'seal')) return
      throw notAllowed(header)
    case 'claim': {
      const wait = graph.waitOf(auth)
      if (wait === undefined) throw refuse('NoWait', `\`${header.auth}\` has no wait, so there is nothing to claim`)
      if (act.wait === wait && act.of === auth?.header.by) return
      throw refuse(
        'OtherClaim',
        `the claim names another wait than that of grant \`${header.auth}\`, or not who made it`,
      )
    }
  }
}

function checkOwners(root: Principal): void {
  if (!isOfPasskeys(root)) return
  throw refuse('Passkeys', 'passkeys alone cannot be the root of a shared core: more than they must agree')
}

function checkGrant(header: Header, can: readonly Ability[], auth: Node | undefined): void {
  if (!authAllows(auth, 'grant')) throw notAllowed(header)
  const lacking = can.find((ability) => !authCovers(auth, ability))
  if (lacking) throw refuse('Delegation', `\`${abilityText(lacking)}\` cannot be handed on by who does not have it`)
  if ((auth?.grant?.depth ?? 0) >= GRANT_DEPTH_MAX) {
    throw refuse('Depth', `a grant lies at most ${GRANT_DEPTH_MAX} grants below the root`)
  }
}

function checkKind(graph: Graph, act: Extract<Act, { verb: 'grant' }>, auth: Node | undefined): void {
  if (graph.genesis.kind === 'shared') return
  if (graph.genesis.kind === 'user') {
    if (auth === undefined) return
    throw refuse('UserCore', 'in a user core only its user makes grants')
  }
  const heir = typeof act.to === 'string' && act.as === HEIR_ROLE && auth === undefined
  if (heir && (act.wait ?? 0) >= HEIR_WAIT_MS_MIN) return
  throw refuse(
    'PrivateCore',
    'a private core has one signer; its root may name heirs, each with a wait of 7 days or more',
  )
}

function checkRevoke(
  graph: Graph,
  header: Header,
  act: Extract<Act, { verb: 'revoke' }>,
  auth: Node | undefined,
  past: Past,
): void {
  const target = graph.find(act.grant)
  if (!target?.grant || target.seq === undefined || !past.has(target.seq)) {
    throw refuse('NotAGrant', `\`${act.grant}\` is not a grant in the past of the operation`)
  }
  if (act.from) {
    const holder = holderOf(target.grant.act)
    if (!samePrincipal(act.from.to, holder.to) || act.from.as !== holder.as) {
      throw refuse('OtherHolder', `grant \`${act.grant}\` was not given to whom the revocation names`)
    }
  }
  if (areTwins(target, auth)) return
  const above = !auth?.grant || graph.chain(target.auth).includes(auth)
  if (!above) throw refuse('NotAbove', `grant \`${act.grant}\` can be taken back from above, or given up by its holder`)
  if (!authAllows(auth, 'revoke')) throw notAllowed(header)
}

function checkLogin(header: Header, act: Act | undefined, login: LoginFacts): void {
  if (login.account !== header.by) throw refuse('LoginAccount', `the sign-in is not that of \`${header.by}\``)
  const allowed = act ? sessionAllows(login, act) : login.abilities.some((ability) => ability.verb === header.verb)
  if (!allowed) {
    const wanted = act?.verb === 'put' ? `put ${act.path}` : header.verb
    throw refuse('LoginAbility', `the sign-in does not allow \`${wanted}\`; sign in again and ask for it`)
  }
  const at = msOf(header.at)
  if (at < Math.max(login.fromMs, login.issuedMs) || at >= login.expiresMs) {
    throw refuse('LoginDates', "the operation is dated outside of its sign-in's life; sign in again")
  }
}

/** Whether a session was handed what an act needs. Ending itself needs nothing. */
export function sessionAllows(login: LoginFacts, act: Act): boolean {
  if (act.verb === 'put') return loginAllows(login, 'put', act.path)
  if (act.verb === 'logout') return act.login === login.id || loginAllows(login, 'logout')
  return act.verb === 'vote' && loginAllows(login, 'vote')
}

/** A session that ended itself has nothing more to say: it could fill the log with saying so. */
function checkEndsOnce(graph: Graph, header: Header, act: Act | undefined, past: Past): void {
  if (act?.verb !== 'logout') return
  const ended = graph.logouts(act.login, header.by).some((logout) => past.has(logout.seq ?? -1))
  if (ended) throw refuse('Ended', `sign-in \`${act.login}\` was ended before`)
}

/** The votes that count towards the threshold of `to`; `undefined` where it has none, or the act needs none. */
function checkQuorum(
  graph: Graph,
  header: Header,
  body: Body | undefined,
  to: Principal,
  auth: Node | undefined,
  past: Past,
): Node[] | undefined {
  const cited = header.votes.map((id) => {
    const vote = graph.find(id)
    if (vote?.header.verb === 'vote' && past.has(vote.seq ?? -1)) return vote
    throw refuse('NotAVote', `\`${id}\` is not a vote in the past of the operation`)
  })
  const need = thresholdOf(to)
  if (need === 1 || header.verb === 'vote' || header.verb === 'logout') return undefined
  if (body?.act.verb === 'put' && isRequest(graph, header, body.act.path, auth)) {
    if (header.votes.length === 0) return undefined
    throw refuse('Shape', 'a request cites no votes')
  }
  const counted = cited.filter((vote) => agrees(vote, header, auth, to))
  if (body && counted.length > 0) checkWords(header, body, counted)
  const have = voices(header.by, counted)
  if (have >= need) return counted
  if (!body) return undefined
  throw refuse('Quorum', `${have} of ${need} accounts agree; collect more votes`)
}

function agrees(vote: Node, header: Header, auth: Node | undefined, to: Principal): boolean {
  const { act } = vote
  if (act?.verb !== 'vote' || !act.approve || act.proposal !== proposalOf(header) || act.expires <= header.at)
    return false
  const signed = vote.login === undefined || header.verb === 'put'
  return signed && vote.auth === auth && accountsOf(to).includes(vote.header.by)
}

/** What was shown to the voters must be what the operation does. */
function checkWords(header: Header, body: Body, votes: readonly Node[]): void {
  let words: Uint8Array
  try {
    words = hashWords(wordsOfProposal(header.by, body))
  } catch (error) {
    if (error instanceof WordsError)
      throw refuse('Words', `what needs votes is shown in words to who votes: ${error.message}`)
    throw error
  }
  const other = votes.find((vote) => vote.act?.verb !== 'vote' || !sameBytes(vote.act.shown, words))
  if (other) {
    throw refuse(
      'OtherWords',
      `vote \`${other.id}\` was cast on other words than those of what it is cited for; leave it out`,
    )
  }
}

/** How many distinct accounts speak for an operation: its maker and the voters. */
export function voices(by: string, votes: readonly Node[]): number {
  return new Set([by, ...votes.map((vote) => vote.header.by)]).size
}

function checkWait(graph: Graph, header: Header, act: Act | undefined, auth: Node | undefined, past: Past): void {
  if (!auth || graph.waitOf(auth) === undefined) return
  if (act?.verb === 'claim' || act?.verb === 'logout' || resigns(graph, act, auth)) return
  const waited = graph.claims.get(auth)?.ripe.some((claim) => past.has(claim.seq ?? -1))
  if (!waited)
    throw refuse('Wait', `the wait of grant \`${header.auth}\` is not over; claim it, wait, and claim it again`)
}

function notAllowed(header: Header, path?: string): Refusal {
  const wanted = path === undefined ? header.verb : `${header.verb} ${path}`
  return refuse('NotAllowed', `authority \`${header.auth}\` does not allow \`${wanted}\``)
}

function refuse(code: RefusalCode, message: string): Refusal {
  return new Refusal(code, message)
}
