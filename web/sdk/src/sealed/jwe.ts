/**
 * JSON Web Encryption (RFC 7516) for recipients who have nothing of ours (`spec/sealed.md`, form `jwe`). The library `jose`
 * opens messages, of any serialisation. It lets nobody choose the content key of several recipients, nor learn it, which the
 * list of recipients is authenticated by: so keys are wrapped here, by WebCrypto.
 *
 * @module
 */

import { sha256 } from '@noble/hashes/sha2.js'
import { compactDecrypt, flattenedDecrypt, type GeneralJWE, generalDecrypt } from 'jose'
import { bytesOf, concat, fromBase64Url, textOf, toBase64Url, utf8Length } from '../core/bytes.js'
import { KubeltError } from '../errors.js'
import { random, toId } from './bytes.js'
import { type DeviceKeyPair, deviceKeyId } from './device-key.js'
import { algorithmOf, type PublicJwk, type Recipient, thumbprintOf } from './public-key.js'

/** The media type of the JSON serialisations (RFC 7515, section 9.2.1). */
export const JWE_MEDIA_TYPE = 'application/jose+json'
/** Largest content that is sealed as a JWE, in bytes: whoever opens it holds all of it in memory, and some more. */
export const JWE_PLAIN_BYTES_MAX = 16 * 1_024 * 1_024
const JWE_BYTES_MAX = 2 * JWE_PLAIN_BYTES_MAX
const TAG_BYTES = 16
const ECDH = 'ECDH-ES+A256KW'
const ENC = 'A256GCM'

/** A message with all who can open it. */
export type Jwe = GeneralJWE

/**
 * Seals content to nobody yet.
 *
 * @throws KubeltError `too-large`
 */
export async function sealJwe(plain: Uint8Array, contentKey: Uint8Array): Promise<Jwe> {
  if (plain.length > JWE_PLAIN_BYTES_MAX) throw tooLarge()
  const [encoded, iv] = [toBase64Url(bytesOf(JSON.stringify({ enc: ENC }))), random(12)]
  const key = await crypto.subtle.importKey('raw', contentKey.slice(), 'AES-GCM', false, ['encrypt'])
  const cipher = { name: 'AES-GCM', iv, additionalData: bytesOf(encoded) }
  const sealed = new Uint8Array(await crypto.subtle.encrypt(cipher, key, plain.slice()))
  return {
    protected: encoded,
    recipients: [],
    iv: toBase64Url(iv),
    ciphertext: toBase64Url(sealed.subarray(0, -TAG_BYTES)),
    tag: toBase64Url(sealed.subarray(-TAG_BYTES)),
  }
}

/** The same message, for one more recipient. */
export async function addRecipient(message: Jwe, contentKey: Uint8Array, to: Recipient): Promise<Jwe> {
  const kid = (to.isForeign && to.label) || toId(thumbprintOf(to.jwk))
  const { header, wrapped } = await wrapFor(to.jwk, contentKey)
  const recipient = {
    header: { alg: algorithmOf(to.jwk), kid, ...header },
    encrypted_key: toBase64Url(wrapped),
  }
  return { ...message, recipients: [...message.recipients, recipient] }
}

/**
 * Reads the compact, the flattened or the general serialisation.
 *
 * @throws KubeltError `not-sealed`, `too-large`
 */
export function readJwe(bytes: Uint8Array): Jwe {
  if (bytes.length > JWE_BYTES_MAX) throw tooLarge()
  const text = textOf(bytes)?.trim() ?? ''
  try {
    const message = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : fromCompact(text)
    if (Array.isArray(message['recipients'])) return message as unknown as Jwe
    const { header, encrypted_key, ...rest } = message
    return { ...rest, recipients: [{ header, encrypted_key }] } as unknown as Jwe
  } catch (cause) {
    throw new KubeltError('not-sealed', 'This is no JWE.', 'Look whether the file is the right one.', { cause })
  }
}

/**
 * Opens a message.
 *
 * @throws KubeltError `not-for-us`, `sealed-changed`
 */
export async function openJwe(bytes: Uint8Array, device: DeviceKeyPair): Promise<Uint8Array> {
  const text = textOf(bytes)?.trim() ?? ''
  const message = readJwe(bytes)
  const key = nativeKey(device)
  try {
    if (!text.startsWith('{')) return (await compactDecrypt(text, key)).plaintext
    const [one, ...others] = message.recipients
    if (one && others.length === 0) {
      const { recipients: _, ...rest } = message
      return (await flattenedDecrypt(withoutEmpty({ ...rest, ...one }), key)).plaintext
    }
    return (await generalDecrypt(message, key)).plaintext
  } catch (cause) {
    // The library does not say which of the two it is.
    const isOurs = await jweContentKey(message, device).then(
      () => true,
      () => false,
    )
    if (!isOurs) throw notForUs(cause)
    throw new KubeltError('sealed-changed', 'The JWE does not open: it was changed.', 'Fetch it again.', { cause })
  }
}

/**
 * The content key of a message, for a device that it is sealed to.
 *
 * @throws KubeltError `not-for-us`
 */
export async function jweContentKey(message: Jwe, device: DeviceKeyPair): Promise<Uint8Array> {
  const shared = { ...message.unprotected, ...readHeader(message.protected) }
  const own = deviceKeyId(device)
  const named = (kid: unknown) => kid === own
  const sorted = [...message.recipients].sort((a, b) => Number(named(b.header?.kid)) - Number(named(a.header?.kid)))
  for (const { header, encrypted_key: wrapped } of sorted) {
    const all = { ...shared, ...header } as Record<string, unknown>
    const key = await unwrap(all, wrapped ?? '', device).catch(() => undefined)
    if (key) return key
  }
  throw notForUs()
}

async function wrapFor(
  jwk: PublicJwk,
  contentKey: Uint8Array,
): Promise<{ header: { epk?: PublicJwk }; wrapped: Uint8Array }> {
  const { subtle } = crypto
  if (jwk.kty === 'RSA') {
    const algorithm = { name: 'RSA-OAEP', hash: 'SHA-256' }
    const key = await subtle.importKey('jwk', { ...jwk }, algorithm, false, ['encrypt'])
    return { header: {}, wrapped: new Uint8Array(await subtle.encrypt(algorithm, key, contentKey.slice())) }
  }
  const curve = jwk.kty === 'OKP' ? { name: 'X25519' } : { name: 'ECDH', namedCurve: 'P-256' }
  const theirs = await subtle.importKey('jwk', { ...jwk }, curve, false, [])
  const ephemeral = (await subtle.generateKey(curve, true, ['deriveBits'])) as CryptoKeyPair
  const secret = await subtle.deriveBits({ name: curve.name, public: theirs }, ephemeral.privateKey, 256)
  const kek = await importKek(concatKdf(new Uint8Array(secret)), 'wrapKey')
  const { x = '', y = '' } = await subtle.exportKey('jwk', ephemeral.publicKey)
  const epk: PublicJwk = jwk.kty === 'OKP' ? { kty: 'OKP', crv: 'X25519', x } : { kty: 'EC', crv: 'P-256', x, y }
  const wrapped = await subtle.wrapKey('raw', await importContentKey(contentKey), kek, 'AES-KW')
  return { header: { epk }, wrapped: new Uint8Array(wrapped) }
}

/** The content key, where a recipient is this device. */
async function unwrap(
  header: Record<string, unknown>,
  wrapped: string,
  device: DeviceKeyPair,
): Promise<Uint8Array | undefined> {
  const { alg, epk, apu, apv } = header
  const { kty, crv, x } = (epk ?? {}) as Record<string, unknown>
  if (alg !== ECDH || kty !== 'OKP' || crv !== 'X25519' || typeof x !== 'string') return undefined
  const { subtle } = crypto
  const theirs = await subtle.importKey('jwk', { kty, crv, x }, { name: 'X25519' }, false, [])
  const secret = await subtle.deriveBits({ name: 'X25519', public: theirs }, nativeKey(device), 256)
  const party = (value: unknown) => (typeof value === 'string' ? fromBase64Url(value) : undefined) ?? new Uint8Array(0)
  const kek = await importKek(concatKdf(new Uint8Array(secret), party(apu), party(apv)), 'unwrapKey')
  const sealed = fromBase64Url(wrapped)
  if (!sealed) return undefined
  const key = await subtle.unwrapKey('raw', sealed, kek, 'AES-KW', 'AES-GCM', true, ['encrypt'])
  const raw = new Uint8Array(await subtle.exportKey('raw', key))
  return raw.length === 32 ? raw : undefined
}

/** The key-encryption key of `ECDH-ES+A256KW`: one round of Concat KDF with SHA-256 (RFC 7518, section 4.6). */
function concatKdf(secret: Uint8Array, apu = new Uint8Array(0), apv = new Uint8Array(0)): Uint8Array<ArrayBuffer> {
  const u32 = (n: number) => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n)
  const fields = [bytesOf(ECDH), apu, apv].flatMap((field) => [u32(field.length), field])
  return sha256(concat([u32(1), secret, ...fields, u32(256)])).slice()
}

function importKek(key: Uint8Array<ArrayBuffer>, use: 'wrapKey' | 'unwrapKey'): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', key, 'AES-KW', false, [use])
}

function importContentKey(key: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', key.slice(), 'AES-GCM', true, ['encrypt'])
}

function nativeKey({ privateKey }: DeviceKeyPair): CryptoKey {
  if (!(privateKey instanceof Uint8Array)) return privateKey
  const what = 'This browser has no X25519, which a JWE needs.'
  throw new KubeltError('no-x25519', what, 'Open it in another browser, or with `kubelt open`.')
}

function fromCompact(text: string): Record<string, unknown> {
  const parts = text.split('.')
  if (parts.length !== 5) throw new TypeError('neither JSON nor five parts')
  const [encoded, encrypted_key, iv, ciphertext, tag] = parts
  return { protected: encoded, encrypted_key, iv, ciphertext, tag }
}

function readHeader(encoded: string | undefined): Record<string, unknown> {
  const json = encoded === undefined ? undefined : fromBase64Url(encoded)
  return json && utf8Length(encoded ?? '') <= 16 * 1_024
    ? (JSON.parse(textOf(json) ?? '{}') as Record<string, unknown>)
    : {}
}

function withoutEmpty<T extends object>(message: T): T {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined)) as T
}

function notForUs(cause?: unknown): KubeltError {
  const what = 'The JWE is sealed to other keys than the one of this device.'
  return new KubeltError('not-for-us', what, 'Open it on a device that it is sealed to.', { cause })
}

function tooLarge(): KubeltError {
  const what = 'A JWE of ours holds 16 MiB at most: all of it must fit into memory.'
  return new KubeltError('too-large', what, 'Seal larger files to accounts alone, or only the key of them to the set.')
}
