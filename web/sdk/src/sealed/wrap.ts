/**
 * A content key wrapped for a device: HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
 * ChaCha20-Poly1305. The library does the work; X25519 is WebCrypto's, where the browser has it.
 *
 * @module
 */

import { Chacha20Poly1305 } from '@hpke/chacha20poly1305'
import { CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'
import { bytesOf, concat, fromBase64Url } from '../core/bytes.js'
import { KubeltError } from '../errors.js'
import type { DeviceKeyPair } from './device-key.js'
import type { PublicJwk } from './public-key.js'

/** What a wrap is for; HPKE's `info`. */
const INFO = bytesOf('kubelt sealed key v1')
const ENC_BYTES = 32

/**
 * Wraps a content key of 32 bytes for an X25519 key; `file` is the file's header, so that no wrap serves another file.
 *
 * @returns 80 bytes: the encapsulated key, then the ciphertext
 */
export async function wrapKey(contentKey: Uint8Array, to: PublicJwk, file: Uint8Array): Promise<Uint8Array> {
  const raw = to.kty === 'OKP' ? fromBase64Url(to.x) : undefined
  if (!raw) throw new KubeltError('bad-key', 'A content key is wrapped for X25519 keys only.', 'Seal it as a JWE.')
  return sealTo(raw, INFO, file, contentKey)
}

/**
 * Unwraps a content key.
 *
 * @throws KubeltError `wrong-key` where the wrap was made for another key or another file, or was changed.
 */
export async function unwrapKey(wrap: Uint8Array, device: DeviceKeyPair, file: Uint8Array): Promise<Uint8Array> {
  const key = await openWith(device, wrap, INFO, file).catch(() => undefined)
  if (key?.length === 32) return key
  const what = 'The wrapped key does not open with the key of this device: it was made for another file, or changed.'
  throw new KubeltError('wrong-key', what, 'Ask whoever sealed it to seal it to you anew.')
}

/** HPKE's single shot. */
export async function sealTo(
  key: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  plain: Uint8Array,
  ephemeral?: Uint8Array,
): Promise<Uint8Array> {
  const suite = await suiteFor(await hasX25519())
  const recipientPublicKey = await suite.kem.deserializePublicKey(key.slice())
  const ekm = ephemeral && { ekm: ephemeral.slice() }
  const sent = await suite.seal({ recipientPublicKey, info: info.slice(), ...ekm }, plain.slice(), aad.slice())
  return concat([new Uint8Array(sent.enc), new Uint8Array(sent.ct)])
}

async function openWith(
  { publicKey, privateKey }: DeviceKeyPair,
  sealed: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
): Promise<Uint8Array> {
  const isNative = !(privateKey instanceof Uint8Array)
  const suite = await suiteFor(isNative)
  const recipientKey = {
    publicKey: await suite.kem.deserializePublicKey(publicKey.slice()),
    privateKey: isNative ? privateKey : await suite.kem.deserializePrivateKey(privateKey.slice()),
  }
  const enc = sealed.slice(0, ENC_BYTES)
  return new Uint8Array(
    await suite.open({ recipientKey, enc, info: info.slice() }, sealed.slice(ENC_BYTES), aad.slice()),
  )
}

/** Whether WebCrypto knows X25519 here. */
export async function hasX25519(): Promise<boolean> {
  try {
    await crypto.subtle.generateKey({ name: 'X25519' }, false, ['deriveBits'])
    return true
  } catch {
    return false
  }
}

async function suiteFor(isNative: boolean): Promise<CipherSuite> {
  const kem = isNative ? new DhkemX25519HkdfSha256() : new (await import('@hpke/dhkem-x25519')).DhkemX25519HkdfSha256()
  return new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Chacha20Poly1305() })
}
