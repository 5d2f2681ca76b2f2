/**
 * Operations: what is signed.
 *
 * A header says who does what kind of thing after which operations; its hash is the operation's id and what is signed.
 * The body says the thing itself and is kept apart, so that it can be withheld while the header can still be checked.
 *
 * @module
 */

import type { Ability, Verb } from './ability.js'
import { isVerb, sessionMay } from './ability.js'
import type { Account, Principal } from './account.js'
import { readAccount } from './account.js'
import { decode, encode, type Value, type ValueMap } from './dag-cbor.js'
import { DecodeError } from './errors.js'
import { bytes, count, Fields, id, isSorted, text, u64 } from './fields.js'
import type { Hlc } from './hlc.js'
import { type BodyId, type CoreId, compareIds, idOf, type LoginId, linkOf, type OpId } from './ids.js'
import { PREV_MAX, SIGNATURE_BYTES_MAX, SIGNED_BYTES_MAX, VOTES_MAX } from './limits.js'
import type { MapPath } from './path.js'

/** The part of an operation that is kept for ever. */
export interface Header {
  readonly core: CoreId
  /** The operations it follows, sorted, 16 at most. */
  readonly prev: readonly OpId[]
  readonly by: Account
  /** The sign-in whose session key signed; absent where the account itself did. */
  readonly login?: LoginId
  /** Why `by` may: a grant, a rotation, or the genesis for the root. */
  readonly auth: OpId
  readonly at: Hlc
  /** Votes counted towards a threshold, sorted. */
  readonly votes: readonly OpId[]
  readonly verb: Verb
  readonly body: BodyId
}

/** Whom a grant was given to. */
export interface Holder {
  readonly to: Principal
  readonly as?: string
}

/** What an operation does. */
export type Act =
  | { readonly verb: 'put'; readonly path: MapPath; readonly value: Value }
  | {
      readonly verb: 'grant'
      readonly to: Principal
      /** The name of the role. */
      readonly as?: string
      readonly can: readonly Ability[]
      /** How long its holder must wait before it counts, in milliseconds. */
      readonly wait?: number
    }
  | { readonly verb: 'revoke'; readonly grant: OpId; readonly from?: Holder }
  | { readonly verb: 'rotate'; readonly root: Principal }
  | { readonly verb: 'logout'; readonly login: LoginId }
  | {
      readonly verb: 'vote'
      readonly proposal: BodyId
      readonly approve: boolean
      /** keccak-256 of the words that the voter was shown. */
      readonly shown: Uint8Array
      /** The words, where the voter signs a text that says them. */
      readonly what?: string
      readonly expires: Hlc
    }
  | { readonly verb: 'seal'; readonly state?: BodyId }
  | {
      /** Claims what a grant with a wait gives; its header says `seal`. */
      readonly verb: 'claim'
      /** Who made the grant. */
      readonly of: Account
      /** The grant's wait, in milliseconds. */
      readonly wait: number
    }

/** An act and its salt of 16 random bytes. */
export interface Body {
  readonly salt: Uint8Array
  readonly act: Act
}

/** The verb that a header of an act carries: a claim dates itself, as a seal dates what it follows. */
export function verbOf(act: Act): Verb {
  return act.verb === 'claim' ? 'seal' : act.verb
}

/** How a signature was made. */
export type Scheme = 'eip191' | 'ed25519' | 'p256' | 'webauthn' | 'eip712' | 'eip1271'

/** The block of a chain that a contract wallet's signature was checked at. */
export interface BlockRef {
  readonly chain: bigint
  readonly number: bigint
  readonly hash: Uint8Array
}

/** A header and the signature over its id. */
export interface Signed {
  readonly header: Header
  readonly scheme: Scheme
  readonly signature: Uint8Array
  readonly block?: BlockRef
}

const SCHEMES: readonly string[] = ['eip191', 'ed25519', 'p256', 'webauthn', 'eip712', 'eip1271']

/** The canonical bytes of a header. */
export function encodeHeader(header: Header): Uint8Array<ArrayBuffer> {
  return encode(headerValue(header))
}

/** An operation's id. */
export function opIdOf(header: Header): OpId {
  return idOf(encodeHeader(header))
}

/**
 * Reads a header block.
 *
 * @throws DecodeError when it is none.
 */
export function decodeHeader(block: Uint8Array): Header {
  if (block.length > SIGNED_BYTES_MAX) throw new DecodeError(`a header has ${SIGNED_BYTES_MAX} bytes at most`)
  return readHeader(decode(block))
}

/** The canonical bytes of a signed operation. */
export function encodeSigned(signed: Signed): Uint8Array<ArrayBuffer> {
  const { header, scheme, signature, block } = signed
  return encode({ header: headerValue(header), scheme, signature, ...(block && { block: { ...block } }) })
}

/**
 * Reads a signed operation; its signature is not checked here.
 *
 * @throws DecodeError when it is none.
 */
export function decodeSigned(block: Uint8Array): Signed {
  if (block.length > SIGNED_BYTES_MAX) throw new DecodeError(`an operation has ${SIGNED_BYTES_MAX} bytes at most`)
  const fields = new Fields(decode(block), 'operation')
  const header = fields.required('header', readHeader)
  const scheme = fields.required('scheme', readScheme)
  const signature = fields.required('signature', bytes())
  const pinned = fields.optional('block', readBlockRef)
  fields.end()
  if (signature.length > SIGNATURE_BYTES_MAX) throw new DecodeError('the signature is too long')
  return { header, scheme, signature, ...(pinned && { block: pinned }) }
}

/** Whether the words of an operation are part of what is signed: an account signs it, and its body is never withheld. */
export function isShown(header: Header): boolean {
  return header.login === undefined && header.verb !== 'put'
}

/** What votes name on an operation that `by` is to make by `auth` with `body`. */
export function proposalOf(header: Pick<Header, 'core' | 'auth' | 'by' | 'body'>): BodyId {
  const { core, auth, by, body } = header
  return idOf(encode({ core: linkOf(core), auth: linkOf(auth), by, body: linkOf(body) }))
}

/** Checks the limits of a header. */
export function checkHeader(header: Header): void {
  if (header.prev.length > PREV_MAX || !isSorted(header.prev, compareIds)) {
    throw new DecodeError('`prev` must be sorted, distinct and 16 at most')
  }
  if (header.votes.length > VOTES_MAX || !isSorted(header.votes, compareIds)) {
    throw new DecodeError('`votes` must be sorted, distinct and 64 at most')
  }
  if (header.login !== undefined && !sessionMay(header.verb)) {
    throw new DecodeError('`grant`, `revoke`, `seal` and `rotate` are signed by the account itself, with no login')
  }
}

/** Reads the name of a scheme. */
export function readScheme(value: Value): Scheme | undefined {
  return typeof value === 'string' && SCHEMES.includes(value) ? (value as Scheme) : undefined
}

/** Reads a block of a chain. */
export function readBlockRef(value: Value): BlockRef | undefined {
  const fields = new Fields(value, 'block of a chain')
  const read = {
    chain: fields.required('chain', u64),
    number: fields.required('number', u64),
    hash: fields.required('hash', bytes(32)),
  }
  fields.end()
  return read
}

function headerValue(header: Header): ValueMap {
  const { core, prev, by, login, auth, at, votes, verb, body } = header
  return {
    v: 1,
    core: linkOf(core),
    prev: prev.map(linkOf),
    by,
    ...(login && { login: linkOf(login) }),
    auth: linkOf(auth),
    at,
    ...(votes.length > 0 && { votes: votes.map(linkOf) }),
    verb,
    body: linkOf(body),
  }
}

function readHeader(value: Value): Header {
  const fields = new Fields(value, 'header')
  fields.required('v', (v) => (count(v) === 1 ? v : undefined))
  const login = fields.optional('login', id<LoginId>)
  const header: Header = {
    core: fields.required('core', id<CoreId>),
    prev: fields
      .required('prev', (value) => (Array.isArray(value) ? value : undefined))
      .map((link) => {
        const prev = id<OpId>(link)
        if (prev === undefined) throw new DecodeError('`prev` of a header is of another kind')
        return prev
      }),
    by: fields.required('by', readAccount),
    ...(login && { login }),
    auth: fields.required('auth', id<OpId>),
    at: fields.required('at', u64),
    votes: fields.list('votes', id<OpId>),
    verb: fields.required('verb', (value) => {
      const verb = text(value)
      return verb !== undefined && isVerb(verb) ? verb : undefined
    }),
    body: fields.required('body', id<BodyId>),
  }
  fields.end()
  checkHeader(header)
  return header
}
