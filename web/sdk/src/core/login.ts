/**
 * Logins: a wallet's word that a session key may act for it, and what that word says.
 *
 * @module
 */

import { type Ability, abilityText, allows, sessionMay, type Verb } from './ability.js'
import { type Account, type PublicKey, parseDid } from './account.js'
import { bytesOf, utf8Length } from './bytes.js'
import { decode, encode } from './dag-cbor.js'
import { DecodeError, LoginError, SignatureError } from './errors.js'
import { bytes, Fields, text } from './fields.js'
import { type CoreId, compareIds, idOf, type LoginId, type OpId, parseId } from './ids.js'
import {
  ABILITIES_MAX,
  CONTENT_LOGIN_LIFE_MS_MAX,
  HELD_LOGIN_LIFE_MS_MAX,
  LOGIN_BYTES_MAX,
  LOGIN_LIFE_MS_MAX,
  SIGN_IN_HEADS_MAX,
} from './limits.js'
import { type BlockRef, readBlockRef, readScheme, type Scheme } from './op.js'
import { isRecap, parseRecap, type Recap } from './recap.js'
import { type Verdict, verify } from './signature.js'
import { accountOfMessage, parseMessage, type SignInMessage } from './siwe.js'
import { authorityOf, challengeOf, checkAssertion, decodeAssertion } from './webauthn.js'

/** A signed sign-in message, byte for byte as the wallet signed it. */
export interface Login {
  readonly message: string
  readonly scheme: Scheme
  readonly signature: Uint8Array
  readonly block?: BlockRef
}

/** A login that was checked. Dates are milliseconds since the Unix epoch. */
export interface CheckedLogin {
  readonly id: LoginId
  readonly account: Account
  /** The key that acts. */
  readonly session: PublicKey
  /** What was handed to the session, by core. */
  readonly abilities: ReadonlyMap<CoreId, readonly Ability[]>
  /** The heads that the wallet's side knew, by core: the login is a seal of them. */
  readonly heads: ReadonlyMap<CoreId, readonly OpId[]>
  readonly issuedMs: number
  readonly fromMs: number
  /** Exclusive. */
  readonly expiresMs: number
  readonly domain: string
  readonly heldByNode: boolean
}

/** What the rules of one core's log need of a checked login. */
export interface LoginFacts {
  readonly id: LoginId
  readonly account: Account
  readonly abilities: readonly Ability[]
  readonly issuedMs: number
  readonly fromMs: number
  readonly expiresMs: number
  readonly heads: readonly OpId[]
}

/** A login's id: the hash of message and scheme. */
export function loginIdOf(login: Pick<Login, 'message' | 'scheme'>): LoginId {
  return idOf(encode({ message: login.message, scheme: login.scheme }))
}

/** The canonical bytes of a login block. */
export function encodeLogin(login: Login): Uint8Array<ArrayBuffer> {
  const { message, scheme, signature, block } = login
  return encode({ message, scheme, signature, ...(block && { block: { ...block } }) })
}

/**
 * Reads a login block; message and signature are not checked here.
 *
 * @throws DecodeError when it is none.
 */
export function decodeLogin(block: Uint8Array): Login {
  if (block.length > LOGIN_BYTES_MAX) throw new DecodeError(`a login has ${LOGIN_BYTES_MAX} bytes at most`)
  const fields = new Fields(decode(block), 'login')
  const pinned = fields.optional('block', readBlockRef)
  const login = {
    message: fields.required('message', text),
    scheme: fields.required('scheme', readScheme),
    signature: fields.required('signature', bytes()),
    ...(pinned && { block: pinned }),
  }
  fields.end()
  return login
}

/** A login in the one form that is taken: the recovery byte of an EIP-191 signature is written as 27 or 28. */
export function newLogin(message: string, scheme: Scheme, signature: Uint8Array): Login {
  const written = signature.slice()
  const v = written[64]
  if (scheme === 'eip191' && (v === 0 || v === 1)) written[64] = v + 27
  return { message, scheme, signature: written }
}

/**
 * Checks a login's message and signature. What changes with time is not judged here.
 *
 * @throws LoginError names the first rule that is broken.
 */
export function checkLogin(login: Login): { login: CheckedLogin; verdict: Verdict } {
  const length = utf8Length(login.message) + login.signature.length
  if (length > LOGIN_BYTES_MAX)
    throw new LoginError(`a login of ${length} bytes is over the limit of ${LOGIN_BYTES_MAX}`)
  const checked = readLogin(login)
  const v = login.signature[64]
  if (login.scheme === 'eip191' && (v === 0 || v === 1)) {
    throw new LoginError(`recovery byte \`${v}\` of a login; write 27 for 0 and 28 for 1`)
  }
  if (login.scheme === 'webauthn') checkOrigin(login, checked.domain)
  try {
    const verdict = verify(checked.account, login.scheme, bytesOf(login.message), login.signature)
    if (verdict === 'valid' && login.block) throw new LoginError("only a contract wallet's signature names a block")
    return { login: checked, verdict }
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error
    throw new LoginError(`the signature of the sign-in message is refused: ${error.message}`)
  }
}

/** A passkey signs in where it was asked to, and nowhere else. */
function checkOrigin(login: Login, domain: string): void {
  try {
    const origin = checkAssertion(decodeAssertion(login.signature), challengeOf(bytesOf(login.message)))
    if (authorityOf(origin)?.toLowerCase() === domain.toLowerCase()) return
    throw new LoginError(`the passkey was asked at \`${origin}\`, and the message is for \`${domain}\``)
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error
    throw new LoginError(`the signature of the sign-in message is refused: ${error.message}`)
  }
}

/** What a login says about one core. */
export function factsOf(login: CheckedLogin, core: CoreId): LoginFacts {
  const { id, account, issuedMs, fromMs, expiresMs } = login
  const [abilities, heads] = [login.abilities.get(core) ?? [], login.heads.get(core) ?? []]
  return { id, account, abilities, issuedMs, fromMs, expiresMs, heads }
}

/** Whether a session was handed a verb at a path. */
export function loginAllows(login: Pick<LoginFacts, 'abilities'>, verb: Verb, path?: string): boolean {
  return login.abilities.some((ability) => allows(ability, verb, path))
}

/**
 * What a login says, whoever signed it.
 *
 * @throws LoginError names the first rule that is broken.
 */
export function readLogin(login: Omit<Login, 'signature'>): CheckedLogin {
  const message = parseMessage(login.message)
  const account = accountOfMessage(message, login.scheme)
  if (!account) throw new LoginError(`a \`${login.scheme}\` signature cannot be one of \`${message.address}\``)
  const { recap, heads } = readResources(message)
  const abilities = recap?.abilities ?? new Map<CoreId, Ability[]>()
  const all = [...abilities.values()].flat()
  if (all.length > ABILITIES_MAX)
    throw new LoginError(`${all.length} abilities are over the limit of ${ABILITIES_MAX} for one sign-in`)
  const odd = all.find((ability) => !sessionMay(ability.verb))
  if (odd) throw new LoginError(`\`${abilityText(odd)}\` is not for sessions; the account itself signs such acts`)
  const heldByNode = recap?.heldByNode ?? false
  return {
    id: loginIdOf(login),
    account,
    session: readSession(message.uri),
    abilities,
    heads,
    ...readDates(message, lifeMsMax(all, heldByNode)),
    domain: message.domain,
    heldByNode,
  }
}

function readSession(uri: string): PublicKey {
  try {
    return parseDid(uri)
  } catch {
    throw new LoginError(
      `\`${uri.slice(0, 128)}\` is not the \`did:key\` of a session; it must stand as the message's URI`,
    )
  }
}

function readResources(message: SignInMessage): { recap?: Recap; heads: Map<CoreId, OpId[]> } {
  const heads = new Map<CoreId, OpId[]>()
  const last = message.resources.at(-1)
  const recap = last !== undefined && isRecap(last) ? parseRecap(last) : undefined
  if (recap) {
    const before = message.statement?.endsWith(recap.statement)
      ? message.statement.slice(0, -recap.statement.length)
      : undefined
    if (before === undefined || (before !== '' && !before.endsWith(' '))) {
      throw new LoginError(`the statement must end with the words of the ReCap: \`${recap.statement}\``)
    }
  }
  for (const resource of recap ? message.resources.slice(0, -1) : message.resources) {
    if (isRecap(resource)) throw new LoginError('a ReCap must be the last resource, and the only one')
    if (!/^kubelt:/i.test(resource)) continue
    const [core, head] = readHead(resource)
    const known = heads.get(core) ?? []
    if (!known.includes(head)) heads.set(core, [...known, head].sort(compareIds))
  }
  const count = [...heads.values()].reduce((sum, of) => sum + of.length, 0)
  if (count > SIGN_IN_HEADS_MAX)
    throw new LoginError(`${count} heads are over the limit of ${SIGN_IN_HEADS_MAX} for one sign-in`)
  return { ...(recap && { recap }), heads }
}

function readHead(resource: string): [CoreId, OpId] {
  const found = /^kubelt:\/\/(.*?)\?head=(.*)$/.exec(resource)
  try {
    const [core, head] = [parseId<CoreId>(found?.[1] ?? ''), parseId<OpId>(found?.[2] ?? '')]
    if (`kubelt://${core}?head=${head}` === resource) return [core, head]
  } catch {}
  throw new LoginError(
    `the resource \`${resource.slice(0, 256)}\` is none; write \`kubelt://<core id>?head=<operation id>\``,
  )
}

/** How long a sign-in with these abilities may live, in milliseconds. */
export function lifeMsMax(abilities: readonly Ability[], heldByNode: boolean): number {
  const isContent = ({ verb, paths }: Ability) =>
    (verb === 'read' || verb === 'put') && (paths === 'content' || paths.startsWith('content/'))
  if (abilities.length > 0 && abilities.every(isContent)) return CONTENT_LOGIN_LIFE_MS_MAX
  return heldByNode ? HELD_LOGIN_LIFE_MS_MAX : LOGIN_LIFE_MS_MAX
}

function readDates(message: SignInMessage, maxMs: number): Pick<CheckedLogin, 'issuedMs' | 'fromMs' | 'expiresMs'> {
  const { issuedAt: issuedMs, expirationTime: expiresMs, notBefore } = message
  if (expiresMs === undefined) throw new LoginError('a sign-in message needs an `Expiration Time`')
  const fromMs = Math.max(issuedMs, notBefore ?? issuedMs)
  if (issuedMs < 0 || (notBefore ?? 0) < 0 || expiresMs <= fromMs) {
    throw new LoginError('the dates of the message leave no time in which it counts')
  }
  const lifeMs = expiresMs - issuedMs
  if (lifeMs > maxMs)
    throw new LoginError(`a life of ${lifeMs} ms is over the ${maxMs} ms that such a sign-in may have`)
  return { issuedMs, fromMs, expiresMs }
}
