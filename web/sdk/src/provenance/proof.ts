/**
 * Where content came from: the operation that put it at a path, with everything that shows who signed it and by which
 * authority, checked without a node (crates/kubelt-core/src/provenance.rs).
 *
 * A proof says that this account, in this core, at this date, put this content at this path, and was allowed to. It does not
 * say that nothing came later: a revocation, a newer version, a replaced root. Only the whole log tells.
 *
 * @module
 */

import { type Ability, allows, covers, type Verb } from '../core/ability.js'
import { type Account, accountsOf, type Principal, thresholdOf } from '../core/account.js'
import { decodeBody } from '../core/body.js'
import { sameBytes } from '../core/bytes.js'
import { type ContentEntry, readContentEntry } from '../core/content-entry.js'
import { decode, type Value } from '../core/dag-cbor.js'
import { DecodeError, LoginError, SignatureError } from '../core/errors.js'
import { bytes, count, Fields, listOf, text } from '../core/fields.js'
import { coreIdOf, decodeGenesis, type Genesis } from '../core/genesis.js'
import { msOf } from '../core/hlc.js'
import { asRoot, type CoreId, type LoginId, type OpId } from '../core/ids.js'
import { type Entry, verifyUnder } from '../core/log/entry.js'
import { sessionAllows } from '../core/log/rules.js'
import { type CheckedLogin, checkLogin, decodeLogin } from '../core/login.js'
import { type Act, decodeSigned, type Header, opIdOf, proposalOf } from '../core/op.js'
import type { MapPath } from '../core/path.js'
import type { Verdict } from '../core/signature.js'
import { hashWords, WordsError, wordsOfProposal } from '../core/words.js'
import { KubeltError } from '../errors.js'

const KIND = 'kubelt-proof'
/** Largest proof that is read, in bytes. */
export const PROOF_BYTES_MAX = 4 * 1_024 * 1_024
const OPS_MAX = 256

/** A grant or a rotation. */
export interface Authority {
  readonly op: OpId
  /** Who gave it. */
  readonly by: Account
  /** The role's name, of a grant that has one. */
  readonly role?: string
}

/** What a proof shows. */
export interface Provenance {
  /** The core that the content was put in, and how it began. */
  readonly core: CoreId
  readonly genesis: Genesis
  readonly op: OpId
  /** Who acted. */
  readonly by: Account
  /** When, as its maker says. */
  readonly at: Date
  /** Where it was put: `content/…`. */
  readonly path: MapPath
  readonly entry: ContentEntry
  /** Where a session signed: at whose site, and whether a node holds its key and so could have written this itself. */
  readonly session?: { readonly domain: string; readonly heldByNode: boolean }
  /** By which authority, from the one that it acts by up to one that the root gave; empty where the root acted. */
  readonly chain: readonly Authority[]
  /** Others who agreed, where several had to. */
  readonly voters: readonly Account[]
  /** Contract wallets, whose signatures only their chain can answer for: theirs were not checked. */
  readonly unchecked: readonly Account[]
}

interface ProofOp {
  readonly signed: Uint8Array
  readonly body: Uint8Array
}

interface Proof {
  readonly genesis: Uint8Array
  readonly put: ProofOp
  /** The grants, rotations and votes that it rests on. */
  readonly chain: readonly ProofOp[]
  readonly logins: readonly Uint8Array[]
}

/**
 * Checks a proof: every signature, sign-in and authority of it.
 *
 * @throws KubeltError `bad-proof` names the first fault.
 * @example
 * ```ts
 * import { Client, Core, fetchProof, keySigner, Session, verifyProof } from '@kubelt/sdk'
 *
 * const client = new Client('http://127.0.0.1:4747')
 * const core = await Core.open(await Session.signIn(client, keySigner(process.env.WALLET_SECRET ?? '')))
 * await core.content.put('a.txt', 'mine')
 * await core.sync()
 * const proof = await fetchProof(core, 'a.txt')
 * // From here on no node is asked.
 * const { by, path, entry } = verifyProof(proof)
 * console.log(by, path, entry.cid.toString())
 * ```
 */
export function verifyProof(proof: Uint8Array): Provenance {
  try {
    return check(decodeProof(proof))
  } catch (error) {
    const isBad =
      error instanceof DecodeError ||
      error instanceof LoginError ||
      error instanceof SignatureError ||
      error instanceof WordsError
    if (isBad) throw refused(error.message, { cause: error })
    throw error
  }
}

function check({ genesis, put, chain, logins }: Proof): Provenance {
  const facts = new Case(decodeGenesis(genesis))
  for (const login of logins) facts.takeLogin(login)
  for (const op of chain) facts.ops.set(...facts.take(op))
  const [id, made] = facts.take(put)
  const act = made.body?.act
  const isContent = act?.verb === 'put' && (act.path === 'content' || act.path.startsWith('content/'))
  const entry = isContent ? readContentEntry(act.value) : undefined
  if (!isContent || !entry) throw refused(`operation ${id} puts no content anywhere`)
  const { authorities, voters } = facts.trace(made)
  const session = made.header.login && facts.logins.get(made.header.login)?.login
  return {
    core: facts.core,
    genesis: facts.genesis,
    op: id,
    by: made.header.by,
    at: new Date(msOf(made.header.at)),
    path: act.path,
    entry,
    ...(session && { session: { domain: session.domain, heldByNode: session.heldByNode } }),
    chain: authorities,
    voters,
    unchecked: [...facts.unchecked],
  }
}

/** What was found to be signed so far. */
class Case {
  readonly core: CoreId
  readonly logins = new Map<LoginId, { login: CheckedLogin; verdict: Verdict }>()
  readonly ops = new Map<OpId, Entry>()
  readonly unchecked = new Set<Account>()

  constructor(readonly genesis: Genesis) {
    this.core = coreIdOf(genesis)
  }

  takeLogin(block: Uint8Array): void {
    const checked = checkLogin(decodeLogin(block))
    if (checked.verdict === 'pending') this.unchecked.add(checked.login.account)
    this.logins.set(checked.login.id, checked)
  }

  /** Checks the signature of an operation, and that its parts belong together. */
  take(op: ProofOp): [OpId, Entry] {
    const [signed, body] = [decodeSigned(op.signed), decodeBody(op.body)]
    const id = opIdOf(signed.header)
    const { login } = signed.header
    const { entry, verdict } = verifyUnder(signed, body, login && this.logins.get(login))
    if (verdict === 'pending') this.unchecked.add(signed.header.by)
    if (signed.header.core !== this.core) throw notAllowed(id, 'it belongs to another core')
    return [id, entry]
  }

  /** The authorities that an operation hangs on, up to the root, and who agreed to it. */
  trace(op: Entry): { authorities: Authority[]; voters: Account[] } {
    const voters = this.allow(op)
    const authorities: Authority[] = []
    // Each was made before what hangs on it, so that this ends.
    for (let at = op; at.header.auth !== asRoot(this.core); ) {
      const id = at.header.auth
      at = this.found(id)
      this.allow(at)
      const role = at.body?.act.verb === 'grant' ? at.body.act.as : undefined
      authorities.push({ op: id, by: at.header.by, ...(role !== undefined && { role }) })
    }
    return { authorities, voters }
  }

  /** Whether an operation may be, by the authority that it names; gives those who agreed to it. */
  private allow(op: Entry): Account[] {
    const { id, header, body } = op
    if (!body) throw notAllowed(id, 'its body is missing')
    const { to, can } = this.authority(id, header)
    if (!accountsOf(to).includes(header.by)) throw notAllowed(id, 'its authority was given to somebody else')
    if (!this.covers(body.act, can))
      throw notAllowed(id, 'its authority does not allow it, or waits for something that a proof cannot show')
    const odd = oddSession(op, body.act)
    if (odd !== undefined) throw notAllowed(id, odd)
    const voters = this.voters(op, to)
    if (voters.length + 1 < thresholdOf(to)) throw notAllowed(id, 'too few agree to it')
    return voters
  }

  private covers(act: Act, can: readonly Ability[] | undefined): boolean {
    const may = (verb: Verb, path?: string) => !can || can.some((ability) => allows(ability, verb, path))
    switch (act.verb) {
      case 'put':
        return may('put', act.path)
      case 'grant': {
        const within = act.can.every((wanted) => !can || can.some((own) => covers(own, wanted)))
        return act.wait === undefined && may('grant') && within && this.genesis.kind !== 'private'
      }
      case 'rotate':
        return !can && this.genesis.kind === 'shared'
      default:
        return false
    }
  }

  /** Who may act by the authority of a header, and what; no list is everything. */
  private authority(id: OpId, header: Header): { to: Principal; can?: readonly Ability[] } {
    if (header.auth === asRoot(this.core)) return { to: this.genesis.root }
    const auth = this.found(header.auth)
    if (auth.header.at >= header.at) throw notAllowed(id, 'its authority is not older than it is')
    const act = auth.body?.act
    if (act?.verb === 'grant') return { to: act.to, can: act.can }
    if (act?.verb === 'rotate') return { to: act.root }
    throw notAllowed(id, 'its authority is none')
  }

  /** Other holders of the same authority who voted for exactly this, in the words that it makes. */
  private voters({ header, body }: Entry, to: Principal): Account[] {
    const proposal = proposalOf(header)
    const shown = body && wordsFor(header.by, body)
    const voters = new Set<Account>()
    for (const id of header.votes) {
      const vote = this.ops.get(id)
      const act = vote?.body?.act
      if (!vote || act?.verb !== 'vote' || !act.approve || act.proposal !== proposal) continue
      const byRight = vote.header.auth === header.auth && accountsOf(to).includes(vote.header.by)
      const isSigned = vote.header.login === undefined || (header.verb === 'put' && oddSession(vote, act) === undefined)
      const inTime = act.expires > header.at && vote.header.at < header.at
      if (shown && sameBytes(shown, act.shown) && byRight && isSigned && inTime) voters.add(vote.header.by)
    }
    voters.delete(header.by)
    return [...voters]
  }

  private found(id: OpId): Entry {
    const entry = this.ops.get(id)
    if (entry) return entry
    throw refused(`\`${id}\`, which it rests on, is not in it`)
  }
}

/** Why the session that signed may not have done it: it was handed less, by somebody else, or for another time. */
function oddSession({ header, login }: Entry, act: Act): string | undefined {
  if (!login) return undefined
  const at = msOf(header.at)
  if (login.account !== header.by) return "its sign-in is another account's"
  if (!sessionAllows(login, act)) return 'its sign-in does not cover it'
  return at < login.fromMs || at >= login.expiresMs ? 'its sign-in was out of date' : undefined
}

function wordsFor(by: Account, body: NonNullable<Entry['body']>): Uint8Array | undefined {
  try {
    return hashWords(wordsOfProposal(by, body))
  } catch (error) {
    if (error instanceof WordsError) return undefined
    throw error
  }
}

function decodeProof(block: Uint8Array): Proof {
  if (block.length > PROOF_BYTES_MAX) throw refused('it is over 4 MiB')
  const fields = new Fields(decode(block), 'proof')
  const version = fields.required('v', count)
  const kind = fields.required('kind', text)
  if (version !== 1 || kind !== KIND) throw refused('it is none of a known version')
  const proof = {
    genesis: fields.required('genesis', bytes()),
    put: fields.required('put', readOp),
    chain: fields.required('chain', listOf(readOp)),
    logins: fields.required('logins', listOf(bytes())),
  }
  fields.end()
  if (proof.chain.length > OPS_MAX || proof.logins.length > OPS_MAX)
    throw refused(`it rests on more than ${OPS_MAX} operations`)
  return proof
}

function readOp(value: Value): ProofOp {
  const fields = new Fields(value, 'operation')
  const op = { signed: fields.required('signed', bytes()), body: fields.required('body', bytes()) }
  fields.end()
  return op
}

function notAllowed(id: OpId, why: string): KubeltError {
  return refused(`operation ${id} is not allowed: ${why}`)
}

function refused(why: string, options?: ErrorOptions): KubeltError {
  const hint = 'Do not rely on it; ask whoever handed it to you for the right one.'
  return new KubeltError('bad-proof', `The proof shows nothing: ${why}.`, hint, options)
}
