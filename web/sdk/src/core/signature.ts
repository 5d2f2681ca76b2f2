/**
 * Signatures: one check for every kind of account (crates/kubelt-core/src/signature.rs has the table).
 *
 * @module
 */

import { ed25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { type Account, kindOf, type PublicKey } from './account.js'
import { bytesOf, concat, sameBytes, toHex } from './bytes.js'
import { SignatureError } from './errors.js'
import { SIGNATURE_BYTES_MAX } from './limits.js'
import { type Body, type Header, isShown, opIdOf, type Scheme, type Signed } from './op.js'
import { typedDataDigest } from './typed-data.js'
import { challengeOf, checkAssertion, decodeAssertion, signedBytes } from './webauthn.js'
import { WordsError, wordsOf } from './words.js'

/** `pending`: a contract wallet's signature, which only its chain can judge. */
export type Verdict = 'valid' | 'pending'

/** The scheme that an account signs messages with. */
export function schemeOf(account: Account): Scheme {
  const kind = kindOf(account)
  if (kind.kind === 'eoa') return 'eip191'
  if (kind.kind === 'contract') return 'eip1271'
  return kind.kind === 'key' ? kind.key.curve : 'ed25519'
}

/**
 * The text that a signer signs; it ends in the operation's id.
 *
 * @throws WordsError where words are needed and cannot be had.
 */
export function signingText(header: Header, body?: Body): string {
  if (isShown(header) && !body) {
    throw new WordsError('what an account itself signs is shown in words, and the body that says it is not here')
  }
  const words = isShown(header) && body ? `${wordsOf(body.act)}\n\n` : ''
  const { core, by, verb } = header
  return `Kubelt operation\n\n${words}Core: ${core}\nBy: ${by}\nAct: ${verb}\nOperation: ${opIdOf(header)}`
}

/**
 * Checks the signature of an operation by its header's account or, where it names a login, by that login's `session`
 * key.
 *
 * @throws SignatureError says what is wrong.
 */
export function verifySigned(signed: Signed, body: Body | undefined, session: PublicKey | undefined): Verdict {
  const { header, scheme, signature, block } = signed
  if ((header.login === undefined) !== (session === undefined)) {
    throw new SignatureError(
      "an operation with a login is checked with that login's session key, and no other with one",
    )
  }
  if (scheme === 'eip712') {
    const kind = kindOf(header.by)
    if (session || kind.kind !== 'eoa') throw new SignatureError(`\`${header.by}\` does not sign typed data`)
    if (block) throw new SignatureError("only a contract wallet's signature names a block; leave it out")
    checkLength(scheme, signature)
    checkRecovered(header.by, kind.address, typedDataDigest(header, body), signature)
    return 'valid'
  }
  if (scheme === 'webauthn') {
    if (session) throw new SignatureError('what a session signs, its key signs itself')
    if (block) throw new SignatureError("only a contract wallet's signature names a block; leave it out")
    verifyAssertion(header.by, challengeFor(header, body), signature)
    return 'valid'
  }
  const text = bytesOf(signingText(header, body))
  if (session) {
    if (block) throw new SignatureError("only a contract wallet's signature names a block; leave it out")
    if (scheme !== session.curve)
      throw new SignatureError(`the session signs with \`${session.curve}\`, not with \`${scheme}\``)
    verifyKey(session, text, signature)
    return 'valid'
  }
  const verdict = verify(header.by, scheme, text, signature)
  if (verdict === 'valid' && block) {
    throw new SignatureError("only a contract wallet's signature names a block; leave it out")
  }
  return verdict
}

/**
 * Checks that an account signed a message.
 *
 * @throws SignatureError says what is wrong.
 */
export function verify(account: Account, scheme: Scheme, message: Uint8Array, signature: Uint8Array): Verdict {
  const kind = kindOf(account)
  const expected = schemeOf(account)
  if (scheme === 'webauthn') {
    verifyAssertion(account, challengeOf(message), signature)
    return 'valid'
  }
  if (scheme !== expected) throw new SignatureError(`\`${account}\` signs with \`${expected}\`, not with \`${scheme}\``)
  checkLength(scheme, signature)
  switch (kind.kind) {
    case 'eoa':
      checkRecovered(account, kind.address, eip191Hash(message), signature)
      return 'valid'
    case 'contract':
      return 'pending'
    case 'solana':
      verifyKey({ curve: 'ed25519', bytes: kind.key }, message, signature)
      return 'valid'
    case 'key':
      verifyKey(kind.key, message, signature)
      return 'valid'
  }
}

/**
 * Checks a passkey's assertion over a challenge.
 *
 * @throws SignatureError says what is wrong.
 */
export function verifyAssertion(account: Account, challenge: Uint8Array, signature: Uint8Array): void {
  const kind = kindOf(account)
  if (kind.kind !== 'key' || kind.key.curve !== 'p256') {
    throw new SignatureError(`\`${account}\` is no passkey, and does not sign with \`webauthn\``)
  }
  checkLength('webauthn', signature)
  const assertion = decodeAssertion(signature)
  checkAssertion(assertion, challenge)
  verifyKey(kind.key, signedBytes(assertion), assertion.signature)
}

/** The challenge by which a passkey signs an operation of its own: the digest of its typed data; of a `put`, its text. */
function challengeFor(header: Header, body: Body | undefined): Uint8Array {
  if (header.login !== undefined) throw new SignatureError('what a session signs is not typed data')
  return isShown(header) ? typedDataDigest(header, body) : challengeOf(bytesOf(signingText(header)))
}

/** The hash that a wallet signs for a personal message (EIP-191, version `0x45`). */
export function eip191Hash(message: Uint8Array): Uint8Array {
  return keccak_256(concat([bytesOf(`\x19Ethereum Signed Message:\n${message.length}`), message]))
}

/** The EVM address of a secp256k1 public key of 65 bytes. */
export function addressOf(point: Uint8Array): Uint8Array {
  return keccak_256(point.subarray(1)).slice(12)
}

function checkLength(scheme: Scheme, signature: Uint8Array): void {
  const bytes = scheme === 'eip191' || scheme === 'eip712' ? 65 : 64
  const fits =
    scheme === 'eip1271' || scheme === 'webauthn' ? signature.length <= SIGNATURE_BYTES_MAX : signature.length === bytes
  if (!fits) throw new SignatureError(`a \`${scheme}\` signature has another length than ${signature.length} bytes`)
}

function checkRecovered(account: Account, address: Uint8Array, hash: Uint8Array, signature: Uint8Array): void {
  const recovered = recoverAddress(hash, signature)
  if (!sameBytes(recovered, address)) {
    throw new SignatureError(`signed by \`0x${toHex(recovered)}\`, not by \`${account}\``)
  }
}

/**
 * The EVM address whose key made 65 bytes `r ‖ s ‖ v` over a hash.
 *
 * @throws SignatureError where no key could have, or `s` is high.
 */
export function recoverAddress(hash: Uint8Array, signature: Uint8Array): Uint8Array {
  const v = signature[64] as number
  const bit = v === 27 || v === 28 ? v - 27 : v
  if (signature.length !== 65 || (bit !== 0 && bit !== 1)) {
    throw new SignatureError(`recovery byte \`${v}\` is not one of 0, 1, 27, 28`)
  }
  const parsed = attempt(() => secp256k1.Signature.fromBytes(signature.slice(0, 64)))
  if (!parsed) throw new SignatureError("`r` or `s` lies outside the curve's scalars")
  if (parsed.hasHighS()) throw new SignatureError('`s` lies in the upper half of the scalars; sign with low `s`')
  const point = attempt(() => parsed.addRecoveryBit(bit).recoverPublicKey(hash).toBytes(false))
  if (!point) throw new SignatureError('the signature is one of no key')
  return addressOf(point)
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}

/**
 * Checks the signature of a key.
 *
 * @throws SignatureError says what is wrong.
 */
export function verifyKey(key: PublicKey, message: Uint8Array, signature: Uint8Array): void {
  checkLength(key.curve, signature)
  const good =
    key.curve === 'ed25519' ? verifyEd25519(key.bytes, message, signature) : verifyP256(key.bytes, message, signature)
  if (!good) throw new SignatureError('the signature does not fit the message and the key')
}

/** Strict: neither key nor `R` of small order, and the equation without the cofactor, so that no two replicas disagree. */
function verifyEd25519(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    const { Point } = ed25519
    const [a, r] = [Point.fromBytes(key, true), Point.fromBytes(signature.slice(0, 32), true)]
    if (a.isSmallOrder() || r.isSmallOrder()) return false
    const s = littleEndian(signature.subarray(32))
    if (s >= Point.Fn.ORDER) return false
    const k = littleEndian(sha512(concat([signature.subarray(0, 32), key, message]))) % Point.Fn.ORDER
    const expected = Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k))
    return sameBytes(expected.toBytes(), signature.subarray(0, 32))
  } catch {
    return false
  }
}

function verifyP256(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return p256.verify(signature, message, key, { lowS: true, prehash: true })
  } catch {
    return false
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((n, byte) => (n << 8n) | BigInt(byte), 0n)
}
