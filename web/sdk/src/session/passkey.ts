/**
 * Passkeys of the browser (WebAuthn): an account of its own that signs in and signs for shared cores beside wallets.
 * `docs/build/passkeys.md` says what they are good for, and why never alone.
 *
 * @module
 */

import { p256 } from '@noble/curves/nist.js'
import { type Account, didOf, isPasskey, parseAccount } from '../core/account.js'
import { bytesOf, fromBase64Url, toBase64Url } from '../core/bytes.js'
import { SignatureError } from '../core/errors.js'
import { verifyAssertion } from '../core/signature.js'
import { challengeOf, encodeAssertion } from '../core/webauthn.js'
import { AccountSwitchedError, KubeltError, SignatureRejectedError } from '../errors.js'
import { withLowS } from './key.js'
import type { Signer } from './signer.js'

/** ECDSA on P-256 with SHA-256 (COSE). */
const ES256 = -7
/** Bytes of a P-256 point without compression, at the end of its SubjectPublicKeyInfo. */
const POINT_BYTES = 65

/** A passkey that somebody wants. */
export interface NewPasskey {
  /** What its owner sees in the list of passkeys. */
  readonly name: string
  /** The domain whose pages may use it; the page's own when absent. */
  readonly domain?: string
}

/** A passkey that was made. */
export interface Passkey {
  /** What others invite. */
  readonly account: Account
  /** Its credential's id, base64url: by this the browser asks for it, and for none of its owner's others. */
  readonly id: string
}

/** Which passkey. */
export interface PasskeyOptions {
  /** The domain that it was made for; the page's own when absent. */
  readonly domain?: string
  /** Its credential's id, where it is known; otherwise its owner chooses among those of the domain. */
  readonly id?: string
}

/**
 * Has the browser make a passkey. Only the authenticator has its key.
 *
 * @throws SignatureRejectedError where its owner declines; KubeltError `no-passkeys` where the browser has none.
 */
export async function createPasskey(wanted: NewPasskey): Promise<Passkey> {
  const credential = await ask(() =>
    navigator.credentials.create({
      publicKey: {
        challenge: crypto.getRandomValues(new Uint8Array(32)),
        rp: { name: wanted.name, ...(wanted.domain !== undefined && { id: wanted.domain }) },
        user: { id: crypto.getRandomValues(new Uint8Array(16)), name: wanted.name, displayName: wanted.name },
        pubKeyCredParams: [{ type: 'public-key', alg: ES256 }],
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      },
    }),
  )
  const key = (credential.response as AuthenticatorAttestationResponse).getPublicKey()
  if (!key) throw noPasskeys()
  const point = p256.Point.fromBytes(new Uint8Array(key).slice(-POINT_BYTES))
  const account = parseAccount(didOf({ curve: 'p256', bytes: point.toBytes(true) }))
  return { account, id: toBase64Url(new Uint8Array(credential.rawId)) }
}

/**
 * A signer that has the browser ask for a passkey. The browser shows its owner the name of the site and no words.
 *
 * @throws KubeltError `bad-key` where the account is no passkey.
 */
export function passkeySigner(account: string, options: PasskeyOptions = {}): Signer {
  const own = parseAccount(account)
  if (!isPasskey(own)) throw new KubeltError('bad-key', `${own} is no passkey.`, 'A passkey is a `did:key:zDn…`.')
  const sign = async (challenge: Uint8Array) => {
    const signature = await assert(challenge, options)
    checkSigner(own, challenge, signature)
    return signature
  }
  return {
    account: own,
    scheme: 'webauthn',
    sign: (text) => sign(challengeOf(bytesOf(text))),
    signTypedData: (_data, digest) => sign(digest),
  }
}

/** Whoever has several passkeys here may have chosen another one. */
function checkSigner(account: Account, challenge: Uint8Array, signature: Uint8Array): void {
  try {
    verifyAssertion(account, challenge, signature)
  } catch (error) {
    if (error instanceof SignatureError) throw new AccountSwitchedError(account, undefined, { cause: error })
    throw error
  }
}

async function assert(challenge: Uint8Array, { domain, id }: PasskeyOptions): Promise<Uint8Array> {
  const raw = id === undefined ? undefined : fromBase64Url(id)
  const credential = await ask(() =>
    navigator.credentials.get({
      publicKey: {
        challenge: challenge.slice(),
        userVerification: 'required',
        ...(domain !== undefined && { rpId: domain }),
        ...(raw && { allowCredentials: [{ type: 'public-key', id: raw }] }),
      },
    }),
  )
  const response = credential.response as AuthenticatorAssertionResponse
  return encodeAssertion({
    authenticatorData: new Uint8Array(response.authenticatorData),
    clientData: new TextDecoder().decode(response.clientDataJSON),
    // Authenticators give either `s`; the log takes the low one.
    signature: withLowS(p256.Signature.fromBytes(new Uint8Array(response.signature), 'der').toBytes()),
  })
}

async function ask(prompt: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  if (globalThis.navigator?.credentials === undefined || typeof PublicKeyCredential === 'undefined') throw noPasskeys()
  try {
    const credential = await prompt()
    if (credential) return credential as PublicKeyCredential
  } catch (cause) {
    const { name } = cause as { name?: unknown }
    if (name === 'NotAllowedError' || name === 'AbortError') throw new SignatureRejectedError({ cause })
    if (name !== 'SecurityError') throw cause
    const what = 'The browser does not let this page use that passkey.'
    throw new KubeltError('passkey-elsewhere', what, 'Open the site that it was made for, by its name.', { cause })
  }
  throw new SignatureRejectedError()
}

function noPasskeys(): KubeltError {
  const hint = 'Use a wallet, or open the page over https in another browser.'
  return new KubeltError('no-passkeys', 'There are no passkeys here.', hint)
}
