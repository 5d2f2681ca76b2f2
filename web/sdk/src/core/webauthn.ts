/**
 * Passkeys: assertions of WebAuthn as signatures of P-256 keys (crates/kubelt-core/src/webauthn.rs says what is checked, and
 * why).
 *
 * @module
 */

import { sha256 } from '@noble/hashes/sha2.js'
import { bytesOf, concat, sameBytes, toBase64Url, utf8Length } from './bytes.js'
import { decode, encode } from './dag-cbor.js'
import { DecodeError, SignatureError } from './errors.js'
import { bytes, Fields, text } from './fields.js'

const CLIENT_DATA_BYTES_MAX = 4 * 1_024
const AUTHENTICATOR_DATA_BYTES_MAX = 1_024
/** Bytes of authenticator data without anything attached: the hash of the relying party's id, flags, and a counter. */
const AUTHENTICATOR_DATA_BYTES = 32 + 1 + 4

const USER_PRESENT = 0x01
const USER_VERIFIED = 0x04
const BACKUP_ELIGIBLE = 0x08
const BACKED_UP = 0x10
const ATTACHED = 0x40 | 0x80

/** What an authenticator answered. */
export interface Assertion {
  readonly authenticatorData: Uint8Array
  /** What the browser says: JSON, byte for byte. */
  readonly clientData: string
  /** `r ‖ s`, low `s`. */
  readonly signature: Uint8Array
}

/** The challenge by which a passkey signs a text. */
export function challengeOf(message: Uint8Array): Uint8Array {
  return sha256(message)
}

/**
 * Reads an assertion.
 *
 * @throws SignatureError where it is not the one encoding of one.
 */
export function decodeAssertion(signature: Uint8Array): Assertion {
  try {
    const fields = new Fields(decode(signature), 'assertion')
    const assertion = {
      authenticatorData: fields.required('auth', bytes()),
      clientData: fields.required('client', text),
      signature: fields.required('sig', bytes(64)),
    }
    fields.end()
    return assertion
  } catch (error) {
    if (error instanceof DecodeError) throw new SignatureError(`not an assertion in its one encoding: ${error.message}`)
    throw error
  }
}

/** An assertion as a signature. */
export function encodeAssertion({ authenticatorData, clientData, signature }: Assertion): Uint8Array<ArrayBuffer> {
  return encode({ auth: authenticatorData, client: clientData, sig: signature })
}

/** What the key has signed. */
export function signedBytes(assertion: Assertion): Uint8Array {
  return concat([assertion.authenticatorData, sha256(bytesOf(assertion.clientData))])
}

/**
 * Checks everything but the signature.
 *
 * @returns the origin
 * @throws SignatureError names the first rule that is broken.
 */
export function checkAssertion(assertion: Assertion, challenge: Uint8Array): string {
  const origin = checkClientData(assertion.clientData, challenge)
  const party = checkAuthenticatorData(assertion.authenticatorData)
  for (let domain = hostOf(origin); domain !== undefined; domain = parentOf(domain)) {
    if (sameBytes(sha256(bytesOf(domain)), party)) return origin
  }
  throw new SignatureError(`the key was not made for the origin \`${origin.slice(0, 128)}\``)
}

/** The authority of a web origin, in lower case. */
export function authorityOf(origin: string): string | undefined {
  const authority = /^https?:\/\/(.*)$/s.exec(origin)?.[1]
  return authority === '' ? undefined : authority
}

function checkClientData(client: string, challenge: Uint8Array): string {
  const refused = () =>
    new SignatureError(
      'the client data does not begin with type `webauthn.get`, a challenge and an origin as WebAuthn orders them',
    )
  const start = '{"type":"webauthn.get","challenge":"'
  if (utf8Length(client) > CLIENT_DATA_BYTES_MAX || !client.startsWith(start)) throw refused()
  const [given, afterGiven] = splitOnce(client.slice(start.length), '","origin":"')
  if (afterGiven === undefined) throw refused()
  if (given !== toBase64Url(challenge)) {
    throw new SignatureError('the assertion answers another challenge than that of what is to be signed')
  }
  const [origin, afterOrigin] = splitOnce(afterGiven, '"')
  if (afterOrigin === undefined) throw refused()
  let rest = afterOrigin
  const cross = ',"crossOrigin":'
  if (rest.startsWith(cross)) {
    rest = rest.slice(cross.length)
    if (rest.startsWith('true'))
      throw new SignatureError("the assertion was made across origins, inside of another site's page")
    if (!rest.startsWith('false')) throw refused()
    rest = rest.slice('false'.length)
  }
  if (rest === '}' || (rest.startsWith(',') && rest.endsWith('}'))) return origin
  throw refused()
}

/** Gives the hash of the relying party's id. */
function checkAuthenticatorData(data: Uint8Array): Uint8Array {
  const flags = data[32] ?? 0
  const attached = (flags & ATTACHED) !== 0
  const fits = attached
    ? data.length > AUTHENTICATOR_DATA_BYTES && data.length <= AUTHENTICATOR_DATA_BYTES_MAX
    : data.length === AUTHENTICATOR_DATA_BYTES
  const contradicts = (flags & BACKED_UP) !== 0 && (flags & BACKUP_ELIGIBLE) === 0
  if (!fits || contradicts) throw new SignatureError('the authenticator data is malformed')
  if ((flags & USER_PRESENT) === 0) throw new SignatureError('the authenticator did not see that somebody was present')
  if ((flags & USER_VERIFIED) === 0) throw new SignatureError('the authenticator did not verify its user')
  return data.subarray(0, 32)
}

function hostOf(origin: string): string | undefined {
  const authority = authorityOf(origin)
  if (authority === undefined) return undefined
  const host = /^(.*):[0-9]*$/s.exec(authority)?.[1] ?? authority
  return /^[a-z0-9.-]+$/.test(host) ? host : undefined
}

function parentOf(domain: string): string | undefined {
  const dot = domain.indexOf('.')
  return dot < 0 ? undefined : domain.slice(dot + 1)
}

function splitOnce(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + mark.length)]
}
