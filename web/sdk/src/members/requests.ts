/**
 * What waits for somebody: for others to agree, where several share an authority (`vote`), and for a signer, where a
 * program asked the core's wallet for something (`sign`). `docs/build/team-cores.md` and `docs/build/wallet.md` say more.
 *
 * Requests for votes are part of the map, and votes are operations: both are read and made on this device, and are sent by
 * the next sync. What programs ask for is known to the node alone.
 *
 * @module
 */

import type { Schemas } from '../api/client.js'
import { type Account, accountsOf, isPasskey, kindOf, type Principal, thresholdOf } from '../core/account.js'
import { bodyIdOf, encodeBody } from '../core/body.js'
import { sameBytes } from '../core/bytes.js'
import { hlcOf, msOf } from '../core/hlc.js'
import { asRoot, type BodyId, type OpId } from '../core/ids.js'
import {
  NONCE_BYTES,
  REQUEST_BODY_BYTES_MAX,
  REQUEST_LIFE_MS,
  REQUEST_LIFE_MS_MAX,
  REQUEST_LIFE_MS_MIN,
} from '../core/limits.js'
import { complete, holderFor } from '../core/log/draft.js'
import type { Node } from '../core/log/graph.js'
import type { Log } from '../core/log/log.js'
import { type Act, type Body, proposalOf, verbOf } from '../core/op.js'
import { type Request, readRequest, readRequestPath, readTitle, requestPath, requestValue } from '../core/request.js'
import { hashWords, WordsError, wordsOfProposal } from '../core/words.js'
import { KubeltError, NotAllowedError, VotesNeededError } from '../errors.js'
import type { Core } from '../local/core.js'
import type { Eip1193Provider, Signer } from '../session/signer.js'
import { askWallet } from '../session/signer.js'
import type { CoreAt, Outcome } from './place.js'

/** A vote on a request. */
export interface CastVote {
  readonly by: Account
  /** A yes stands until it expires, whatever the same account says later. */
  readonly approve: boolean
  readonly op: OpId
}

/** Something that others must agree to. All of it is made from the log here: no node is believed. */
export interface VoteRequest {
  readonly kind: 'vote'
  /** What votes on it name. */
  readonly id: BodyId
  /** Who wants it. */
  readonly by: Account
  /** What it does, in words. */
  readonly what: string
  /** What its maker says of it. */
  readonly title?: string
  /** What it does. */
  readonly act: Act
  /** Who may agree, and how many of them must. */
  readonly to: Principal
  /** How many agree, its maker among them. */
  readonly agree: number
  readonly votes: readonly CastVote[]
  /** Who has said nothing yet. */
  readonly missing: readonly Account[]
  /** `ready`: enough agree, and its maker can finish it. `rejected`: there will never be enough. */
  readonly standing: 'waiting' | 'ready' | 'rejected' | 'expired'
  /** Whether sessions may vote on it and finish it; otherwise wallets must. */
  readonly bySession: boolean
  readonly expires: Date
  /** By which authority. */
  readonly auth: OpId
  /** The body of the operation that its maker will make. */
  readonly body: Body
}

/** Something that a program asked the core's wallet for. */
export interface SignRequest {
  readonly kind: 'sign'
  readonly id: string
  /** Whose signature is asked for. */
  readonly account: string
  /** The method of the call, such as `personal_sign`. */
  readonly method: string
  readonly params: readonly unknown[]
  readonly expires: Date
  /** What the owners of a Safe sign, and how far they are. */
  readonly safe?: Schemas['SafeStandingView']
}

/** How to ask others. */
export interface AskOptions {
  /** What you say of it: one line of 256 bytes at most. */
  readonly title?: string
  /** How long it may be voted on, in milliseconds: a minute to 30 days; a week when absent. */
  readonly livesMs?: number
  /** Blocks of content that it would publish and that are here, by CID. */
  readonly blocks?: readonly string[]
}

/**
 * Asks those who share an authority to agree to an act; the session signs. Nothing is done yet.
 *
 * @returns the id of the request
 * @throws NotAllowedError where it is not allowed whoever agrees; KubeltError `alone` where nobody else has to, and
 * `bad-request` for a title or a time that is none.
 * @example
 * ```ts
 * import { askOthers, Client, Core, createCore, keySigner, Session, voteRequests } from '@kubelt/sdk'
 *
 * const client = new Client('http://127.0.0.1:4747')
 * const [ann, bob] = [keySigner(process.env.WALLET_SECRET ?? ''), keySigner(process.env.OTHER_SECRET ?? '')]
 * const own = await Core.open(await Session.signIn(client, ann))
 * const { id } = await createCore(own, ann, { name: 'acme', owners: [bob.account], threshold: 2 })
 * const acme = await Core.open(await own.session.renew(ann, { cores: [{ core: id }] }), { core: id })
 * await acme.sync()
 * await askOthers(acme, { verb: 'seal' }, { title: 'let us begin' })
 * console.log(voteRequests(acme).map(({ what, agree, missing }) => [what, agree, missing]))
 * ```
 */
export async function askOthers(core: Core, act: Act, options: AskOptions = {}): Promise<BodyId> {
  const { account } = core.session
  const { title, livesMs = REQUEST_LIFE_MS, blocks } = options
  if (title !== undefined && readTitle(title) === undefined)
    throw new KubeltError('bad-request', 'That title is no line of text.', 'Use 1 to 256 bytes on one line.')
  if (!(livesMs >= REQUEST_LIFE_MS_MIN && livesMs <= REQUEST_LIFE_MS_MAX))
    throw new KubeltError('bad-request', 'A request cannot live so long, or so short.', 'Choose a minute to 30 days.')
  const whole = complete(core.log, act)
  const authority = holderFor(core.log, account, whole)
  if (!authority) throw new NotAllowedError(`\`${account}\` may not do this, whoever agrees`)
  if (thresholdOf(authority.to) === 1)
    throw new KubeltError('alone', 'Nobody else has to agree to this.', 'Do it right away.')
  const body: Body = { salt: crypto.getRandomValues(new Uint8Array(NONCE_BYTES)), act: whole }
  if (encodeBody(body).length > REQUEST_BODY_BYTES_MAX)
    throw new KubeltError('bad-request', 'This is too large to be asked for.', 'Put large values into content.')
  const { auth } = authority
  const request: Request = { auth, body, expiresMs: Date.now() + livesMs, ...(title !== undefined && { title }) }
  const id = proposalOf({ core: core.id, auth, by: account, body: bodyIdOf(body) })
  const value = requestValue(request)
  await core.act({ verb: 'put', path: requestPath(account, id), value }, { auth, ...(blocks && { blocks }) })
  return id
}

/**
 * Does what the account itself signs or, where several must agree, asks the others for it.
 *
 * @throws as {@link Core.sign} and {@link askOthers}.
 */
export async function signOrAsk(core: Core, signer: Signer, act: Act, options: AskOptions = {}): Promise<Outcome> {
  try {
    return { done: await core.sign(signer, act) }
  } catch (error) {
    if (!(error instanceof VotesNeededError)) throw error
    return { asked: await askOthers(core, act, options) }
  }
}

/** The requests for votes that are known here and not over, the one that ends first before others. */
export function voteRequests(core: Core): VoteRequest[] {
  const nowMs = Date.now()
  const found = core.entries('requests').flatMap(([path, value]) => {
    const [place, request] = [readRequestPath(path), readRequest(value)]
    const standing = place && request && judge(core.log, place.by, request, nowMs)
    // One that stands under another's name, or another hash, is none.
    return standing && standing.id === place?.proposal ? [standing] : []
  })
  const open = found.filter(({ standing }) => standing === 'waiting' || standing === 'ready')
  return open.sort((a, b) => a.expires.getTime() - b.expires.getTime())
}

/**
 * All that waits, in one list: requests for votes as they are known here, and what programs asked for, as the node says.
 *
 * @throws NetworkError, SessionExpiredError; {@link voteRequests} works without a network.
 */
export async function listRequests(core: Core): Promise<(VoteRequest | SignRequest)[]> {
  const all = [...voteRequests(core), ...(await signRequests(core))]
  return all.sort((a, b) => a.expires.getTime() - b.expires.getTime())
}

/** What programs asked the core's wallet for. */
export async function signRequests(at: CoreAt): Promise<SignRequest[]> {
  const { requests } = await at.session.client.call('get', '/@{core}/-/requests', { path: { core: at.id } })
  return requests.flatMap((request) => {
    if (request.kind !== 'sign') return []
    const { id, account, method, expires, safe } = request
    const params = Array.isArray(request.params) ? request.params : []
    return [{ kind: 'sign', id, account, method, params, expires: new Date(expires), ...(safe && { safe }) }]
  })
}

/**
 * Agrees to a request. On content the session's vote is enough; a signer votes by the account itself, on whatever it is. A
 * wallet signs typed data that says the request's words.
 *
 * @throws KubeltError `own-request`; NotAllowedError; SignatureRejectedError, AccountSwitchedError.
 */
export function approveRequest(core: Core, request: VoteRequest, signer?: Signer): Promise<OpId> {
  return vote(core, request, true, signer)
}

/**
 * Declines a request for votes as {@link approveRequest} agrees, or tells a program that asked for something no.
 *
 * @returns the vote; nothing for a program's request
 */
export async function rejectRequest(
  core: Core,
  request: VoteRequest | SignRequest,
  signer?: Signer,
): Promise<OpId | undefined> {
  if (request.kind === 'vote') return vote(core, request, false, signer)
  const path = { core: core.id, id: request.id }
  await core.session.client.call('post', '/@{core}/-/requests/{id}/reject', { path, body: {} })
  return undefined
}

/**
 * Does what enough agree to; for whoever asked. What sessions may do, the session does; anything else the account signs.
 *
 * @throws KubeltError `not-ready` where too few agree, `not-yours`, `needs-signer`; as {@link Core.sign}.
 */
export async function finishRequest(core: Core, request: VoteRequest, signer?: Signer): Promise<OpId> {
  const now = voteRequests(core).find(({ id }) => id === request.id)
  if (!now) throw gone()
  if (now.by !== core.session.account)
    throw new KubeltError('not-yours', `${now.by} asked for this.`, 'It is for them to finish it.')
  if (now.standing !== 'ready') {
    const lacking = thresholdOf(now.to) - now.agree
    throw new KubeltError('not-ready', `${now.agree} of ${thresholdOf(now.to)} agree.`, `${lacking} more must.`)
  }
  const { auth, act, body } = now
  const votes = now.votes.filter(({ approve }) => approve).map(({ op }) => op)
  const details = { auth, votes, salt: body.salt }
  const done = now.bySession ? await core.act(act, details) : await core.sign(needed(signer), act, details)
  await withdrawRequest(core, now)
  return done
}

/** Takes back a request of one's own. */
export function withdrawRequest(core: Core, request: VoteRequest): Promise<OpId> {
  const path = requestPath(core.session.account, request.id)
  return core.act({ verb: 'put', path, value: null }, { auth: request.auth })
}

/**
 * Has a wallet answer what a program asked for, and hands the answer over: a signature, or the hash of the transaction that
 * the wallet sent. Of a Safe, each owner's wallet signs what the Safe's owners sign.
 *
 * @param answer a wallet, or what another one has answered (`0x…`)
 * @throws SignatureRejectedError, where the request waits on; ProblemError where the answer does not fit.
 */
export async function answerRequest(at: CoreAt, request: SignRequest, answer: Eip1193Provider | string): Promise<void> {
  const result = typeof answer === 'string' ? answer : await askWallet(answer, callOf(at, request))
  const path = { core: at.id, id: request.id }
  await at.session.client.call('post', '/@{core}/-/requests/{id}/approve', { path, body: { result: String(result) } })
}

function callOf(at: CoreAt, { method, params, safe }: SignRequest): { method: string; params: readonly unknown[] } {
  if (!safe) return { method, params }
  return { method: 'eth_signTypedData_v4', params: [at.session.account, JSON.stringify(safe.typed_data)] }
}

async function vote(core: Core, request: VoteRequest, approve: boolean, signer: Signer | undefined): Promise<OpId> {
  const by = signer?.account ?? core.session.account
  const now = voteRequests(core).find(({ id }) => id === request.id)
  if (!now) throw gone()
  if (now.by === by)
    throw new KubeltError('own-request', 'It is your own request, and counts as your vote.', 'Finish or withdraw it.')
  if (!accountsOf(now.to).includes(by)) throw new NotAllowedError(`\`${by}\` has no vote on this`)
  const { auth, what } = now
  const act = (words?: string): Act => ({
    verb: 'vote',
    proposal: now.id,
    approve,
    shown: hashWords(what),
    ...(words !== undefined && { what: words }),
    expires: hlcOf(now.expires.getTime()),
  })
  if (!signer && now.bySession) return core.act(act(), { auth })
  const voter = needed(signer)
  // A vote that is a text has to bring its words, which everybody may read then; what is put may be private.
  const hides = voter.signTypedData !== undefined && (kindOf(by).kind === 'eoa' || isPasskey(by))
  return core.sign(voter, act(hides && now.act.verb === 'put' ? undefined : what), { auth, what })
}

function needed(signer: Signer | undefined): Signer {
  if (signer) return signer
  throw new KubeltError('needs-signer', 'A session may not do this.', 'The account itself must sign: give a signer.')
}

function gone(): KubeltError {
  const what = 'There is no such request any more: it has expired, or was withdrawn or done.'
  return new KubeltError('not-found', what)
}

/** How a request stands; `undefined` where nobody could ever vote on it. */
function judge(log: Log, by: Account, request: Request, nowMs: number): VoteRequest | undefined {
  const { auth, body, expiresMs, title } = request
  const authority = auth === asRoot(log.core) ? undefined : log.graph.find(auth)
  const to = authority || auth === asRoot(log.core) ? log.graph.holder(authority) : undefined
  const what = wordsFor(by, body)
  if (!to || !accountsOf(to).includes(by) || what === undefined) return undefined
  const id = proposalOf({ core: log.core, auth, by, body: bodyIdOf(body) })
  const bySession = verbOf(body.act) === 'put'
  const votes = votesOn(log, { id, by, to, authority, what, bySession }, nowMs)
  const against = votes.filter(({ approve }) => !approve).length
  const agree = 1 + votes.length - against
  const voted = new Set([by, ...votes.map((vote) => vote.by)])
  const standing =
    expiresMs <= nowMs || !log.isOpen(authority)
      ? 'expired'
      : agree >= thresholdOf(to)
        ? 'ready'
        : accountsOf(to).length - against < thresholdOf(to)
          ? 'rejected'
          : 'waiting'
  return {
    kind: 'vote',
    id,
    by,
    what,
    ...(title !== undefined && { title }),
    act: body.act,
    to,
    agree,
    votes,
    missing: accountsOf(to).filter((account) => !voted.has(account)),
    standing,
    bySession,
    expires: new Date(expiresMs),
    auth,
    body,
  }
}

interface Asked {
  readonly id: BodyId
  readonly by: Account
  readonly to: Principal
  readonly authority: Node | undefined
  readonly what: string
  readonly bySession: boolean
}

/** The votes that count, one of each account: its last one, but for a yes, which stands. */
function votesOn(log: Log, { id, by, to, authority, what, bySession }: Asked, nowMs: number): CastVote[] {
  const shown = hashWords(what)
  const cast = new Map<Account, CastVote>()
  for (const node of log.graph.authority) {
    const { act, header } = node
    if (act?.verb !== 'vote' || act.proposal !== id || !node.effective) continue
    const counts =
      node.auth === authority &&
      sameBytes(act.shown, shown) &&
      header.by !== by &&
      accountsOf(to).includes(header.by) &&
      msOf(act.expires) > nowMs &&
      (bySession || node.login === undefined)
    if (counts && !cast.get(header.by)?.approve)
      cast.set(header.by, { by: header.by, approve: act.approve, op: node.id })
  }
  return [...cast.values()]
}

function wordsFor(by: Account, body: Body): string | undefined {
  try {
    return wordsOfProposal(by, body)
  } catch (error) {
    if (error instanceof WordsError) return undefined
    throw error
  }
}
