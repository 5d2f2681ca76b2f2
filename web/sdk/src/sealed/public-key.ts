/**
 * Public keys that content can be sealed to, and the sets of them that others publish (RFC 7517).
 *
 * @module
 */

import { x25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesOf, concat, fromBase64Url, toBase64Url, utf8Length } from '../core/bytes.js'
import { KubeltError } from '../errors.js'

const SET_BYTES_MAX = 256 * 1_024
const SET_KEYS_MAX = 256
const RSA_BITS_MIN = 2_048
const RSA_BITS_MAX = 8_192
/** Members that only secret keys have (RFC 7518, section 6). */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
const KEY_OPS = ['deriveKey', 'deriveBits', 'wrapKey', 'encrypt']

/** The numbers of a key, as a JSON Web Key has them; it was found to be a usable one. */
export type PublicJwk =
  | { readonly kty: 'OKP'; readonly crv: 'X25519'; readonly x: string }
  | { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string }
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }

/** A key that content can be sealed to, and whose it is. */
export interface Recipient {
  /** An account, or the URL of a set of keys. */
  readonly who: string
  /** The device, or the `kid` of the set. */
  readonly label?: string
  readonly jwk: PublicJwk
  /** Whether its owner has nothing of ours, and needs a JWE. */
  readonly isForeign: boolean
}

/** What a set of keys holds. */
export interface KeySet {
  readonly keys: readonly { readonly jwk: PublicJwk; readonly kid?: string }[]
  /** All others: their `kid` or place, and why nothing is sealed to them. */
  readonly others: readonly (readonly [name: string, why: string])[]
}

/** The hash by which a key is known (RFC 7638, SHA-256), 32 bytes. */
export function thumbprintOf(jwk: PublicJwk): Uint8Array {
  // Members in the order of their names, without white space.
  switch (jwk.kty) {
    case 'OKP':
      return sha256(bytesOf(`{"crv":"X25519","kty":"OKP","x":"${jwk.x}"}`))
    case 'EC':
      return sha256(bytesOf(`{"crv":"P-256","kty":"EC","x":"${jwk.x}","y":"${jwk.y}"}`))
    case 'RSA':
      return sha256(bytesOf(`{"e":"${jwk.e}","kty":"RSA","n":"${jwk.n}"}`))
  }
}

/** The algorithm by which a JWE is sealed to a key (RFC 7518). */
export function algorithmOf(jwk: PublicJwk): 'ECDH-ES+A256KW' | 'RSA-OAEP-256' {
  return jwk.kty === 'RSA' ? 'RSA-OAEP-256' : 'ECDH-ES+A256KW'
}

/**
 * An X25519 key of 32 bytes.
 *
 * @throws KubeltError `bad-key` for one of small order: whatever is sealed to it, anybody opens.
 */
export function x25519Jwk(key: Uint8Array): PublicJwk {
  try {
    x25519.getSharedSecret(new Uint8Array(32).fill(9), key)
  } catch (cause) {
    const what = 'This X25519 key has a small order, so that anybody could open what is sealed to it.'
    throw new KubeltError('bad-key', what, 'Tell its owner; nothing was sealed.', { cause })
  }
  return { kty: 'OKP', crv: 'X25519', x: toBase64Url(key) }
}

/**
 * Reads a set, or a single key.
 *
 * @throws KubeltError `bad-key-set` where it is none, has private parts, or no key that can be sealed to.
 */
export function readKeySet(json: string): KeySet {
  if (utf8Length(json) > SET_BYTES_MAX) throw refused('It is over 256 KiB.')
  const listed = listedIn(json)
  const keys = new Map<string, { jwk: PublicJwk; kid?: string }>()
  const others: [string, string][] = []
  for (const [place, member] of listed.entries()) {
    const fields = (typeof member === 'object' && member !== null ? member : {}) as Record<string, unknown>
    const kid = typeof fields['kid'] === 'string' ? fields['kid'].slice(0, 128) : undefined
    const name = kid ?? `number ${place + 1}`
    // An octet sequence is a secret whatever it is called.
    if (PRIVATE.some((secret) => secret in fields))
      throw refused(`Its key \`${name}\` has private parts: it is nobody's secret any more. Tell its owner.`)
    const jwk = readKey(fields)
    if (typeof jwk === 'string') others.push([name, jwk])
    else {
      const id = toBase64Url(thumbprintOf(jwk))
      if (!keys.has(id)) keys.set(id, { jwk, ...(kid !== undefined && { kid }) })
    }
  }
  if (keys.size > 0) return { keys: [...keys.values()], others }
  const why = others.slice(0, 8).map(([name, reason]) => `\`${name}\`: ${reason}`)
  throw refused(`Nothing can be sealed to it: ${why.length > 0 ? why.join('; ') : 'it is empty'}.`)
}

/**
 * The keys of a set that somebody publishes, fetched now.
 *
 * @param kid one of its keys; all of them when absent
 * @throws KubeltError `bad-key-set`, `network`
 */
export async function recipientsAt(url: string, kid?: string): Promise<Recipient[]> {
  if (!url.startsWith('https://')) throw refused('Sets of keys are fetched by https.')
  let json: string
  try {
    const response = await fetch(url, { headers: { accept: 'application/jwk-set+json, application/json' } })
    if (!response.ok) throw refused(`${url} answered ${response.status}.`)
    json = await response.text()
  } catch (cause) {
    if (cause instanceof KubeltError) throw cause
    throw new KubeltError('network', `${url} cannot be reached.`, 'Check the address, and try again.', { cause })
  }
  return recipientsIn(json, url, kid)
}

/**
 * The keys of a set that is here.
 *
 * @param who where it is from: a URL, or `file:` and a name
 * @throws KubeltError `bad-key-set`
 */
export function recipientsIn(json: string, who: string, kid?: string): Recipient[] {
  const set = readKeySet(json).keys.filter((key) => kid === undefined || key.kid === kid)
  if (set.length === 0) throw refused(`It has no key \`${kid}\` that can be sealed to.`)
  return set.map(({ jwk, kid: label }) => ({ who, ...(label !== undefined && { label }), jwk, isForeign: true }))
}

function listedIn(json: string): unknown[] {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    throw refused('It is no JSON.')
  }
  const { keys, kty } = (value ?? {}) as { keys?: unknown; kty?: unknown }
  const listed = keys === undefined && kty !== undefined ? [value] : keys
  if (!Array.isArray(listed)) throw refused('There is no list of `keys`.')
  if (listed.length > SET_KEYS_MAX) throw refused(`It has over ${SET_KEYS_MAX} keys.`)
  return listed
}

/** A key, or why nothing is sealed to it. */
function readKey(fields: Record<string, unknown>): PublicJwk | string {
  const { kty, crv, use, alg, key_ops: ops } = fields
  if (use !== undefined && use !== 'enc') return 'it is not for encryption'
  if (Array.isArray(ops) && ops.length > 0 && !ops.some((op) => KEY_OPS.includes(op)))
    return 'its `key_ops` allow no encryption'
  const jwk = readNumbers(fields)
  if (jwk === undefined) return 'it is of another kind than X25519, P-256 and RSA'
  if (typeof jwk === 'string') return jwk
  if (alg !== undefined && alg !== algorithmOf(jwk)) return `for such a key, ${algorithmOf(jwk)} is taken`
  return kty === jwk.kty && (jwk.kty === 'RSA' || crv === jwk.crv) ? jwk : 'it contradicts itself'
}

function readNumbers(fields: Record<string, unknown>): PublicJwk | string | undefined {
  const member = (name: string) =>
    typeof fields[name] === 'string' ? fromBase64Url(fields[name] as string) : undefined
  const { kty, crv } = fields
  if (kty === 'OKP' && crv === 'X25519') {
    const x = member('x')
    return x?.length === 32 ? attempt(() => x25519Jwk(x), 'it has a small order') : 'its `x` has not 32 bytes'
  }
  if (kty === 'EC' && crv === 'P-256') {
    const [x, y] = [member('x'), member('y')]
    if (x?.length !== 32 || y?.length !== 32) return 'its `x` or `y` has not 32 bytes'
    const read = () => {
      p256.Point.fromBytes(concat([Uint8Array.of(4), x, y])).assertValidity()
      return { kty, crv, x: toBase64Url(x), y: toBase64Url(y) } as const
    }
    return attempt(read, 'it is no point of the curve P-256')
  }
  return kty === 'RSA' ? readRsa(member('n'), member('e')) : undefined
}

function readRsa(n: Uint8Array | undefined, e: Uint8Array | undefined): PublicJwk | string {
  const [modulus, exponent] = [trimmed(n ?? new Uint8Array(0)), trimmed(e ?? new Uint8Array(0))]
  const bits = modulus.length === 0 ? 0 : modulus.length * 8 - Math.clz32(modulus[0] as number) + 24
  if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX) return `a modulus of ${bits} bits is not taken`
  const isOdd = (bytes: Uint8Array) => ((bytes.at(-1) ?? 0) & 1) === 1
  const isOne = exponent.length === 1 && exponent[0] === 1
  if (!isOdd(modulus) || !isOdd(exponent) || isOne || exponent.length > 4) return 'these numbers make no RSA key'
  return { kty: 'RSA', n: toBase64Url(modulus), e: toBase64Url(exponent) }
}

/** Without the zeros at its beginning. */
function trimmed(bytes: Uint8Array): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== 0)
  return start < 0 ? new Uint8Array(0) : bytes.subarray(start)
}

function attempt<T>(read: () => T, otherwise: string): T | string {
  try {
    return read()
  } catch {
    return otherwise
  }
}

function refused(why: string): KubeltError {
  return new KubeltError('bad-key-set', 'This is no set of keys to seal to.', why)
}
