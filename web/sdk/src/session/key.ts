/**
 * The session's key, made and kept where the person is. In browsers it cannot be read out: WebCrypto signs with it.
 *
 * @module
 */

import { p256 } from '@noble/curves/nist.js'
import { didOf, type PublicKey } from '../core/account.js'

/** A key pair of WebCrypto: Ed25519, or P-256 where that is not there. */
export interface SessionKeyPair {
  readonly curve: PublicKey['curve']
  readonly publicKey: Uint8Array
  readonly privateKey: CryptoKey
}

/** The key of a session. */
export class SessionKey {
  constructor(readonly pair: SessionKeyPair) {}

  /**
   * Makes a key.
   *
   * @param extractable whether it can be written to storage that does not keep keys themselves
   */
  static async generate(extractable = false): Promise<SessionKey> {
    const ed25519 = await generate({ name: 'Ed25519' }, extractable).catch(() => undefined)
    if (ed25519) return new SessionKey({ curve: 'ed25519', ...ed25519 })
    const pair = await generate({ name: 'ECDSA', namedCurve: 'P-256' }, extractable)
    const publicKey = p256.Point.fromBytes(pair.publicKey).toBytes(true)
    return new SessionKey({ curve: 'p256', publicKey, privateKey: pair.privateKey })
  }

  /** A key that {@link SessionKey.export} wrote. */
  static async import(curve: PublicKey['curve'], publicKey: Uint8Array, pkcs8: BufferSource): Promise<SessionKey> {
    const algorithm = curve === 'ed25519' ? { name: 'Ed25519' } : { name: 'ECDSA', namedCurve: 'P-256' }
    const privateKey = await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign'])
    return new SessionKey({ curve, publicKey, privateKey })
  }

  /** The private key as PKCS #8, where it was made to be extractable. */
  async export(): Promise<Uint8Array> {
    return new Uint8Array(await crypto.subtle.exportKey('pkcs8', this.pair.privateKey))
  }

  /** Its `did:key`. */
  get did(): string {
    return didOf({ curve: this.pair.curve, bytes: this.pair.publicKey })
  }

  /** Signs, in the one form that is taken: 64 bytes, for P-256 with a low `s`. */
  async sign(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    const { curve, privateKey } = this.pair
    const algorithm = curve === 'ed25519' ? { name: 'Ed25519' } : { name: 'ECDSA', hash: 'SHA-256' }
    const signature = new Uint8Array(await crypto.subtle.sign(algorithm, privateKey, message))
    return curve === 'ed25519' ? signature : withLowS(signature)
  }
}

async function generate(
  algorithm: Algorithm | EcKeyGenParams,
  extractable: boolean,
): Promise<{ publicKey: Uint8Array; privateKey: CryptoKey }> {
  const pair = (await crypto.subtle.generateKey(algorithm, extractable, ['sign', 'verify'])) as CryptoKeyPair
  return {
    publicKey: new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)),
    privateKey: pair.privateKey,
  }
}

/** A P-256 signature of 64 bytes in the form that is taken: with the lower of its two `s`. */
export function withLowS(signature: Uint8Array): Uint8Array {
  const { r, s } = p256.Signature.fromBytes(signature)
  const order = p256.Point.Fn.ORDER
  return new p256.Signature(r, s > order / 2n ? order - s : s).toBytes()
}
