/**
 * Who signs for an account: a wallet, or a private key. (`passkey.ts` has passkeys.)
 *
 * @module
 */

import { secp256k1 } from '@noble/curves/secp256k1.js'
import { type Account, parseAccount } from '../core/account.js'
import { bytesOf, fromHex, sameBytes, toHex } from '../core/bytes.js'
import type { Body, Header, Scheme, Signed } from '../core/op.js'
import { addressOf, eip191Hash, recoverAddress, schemeOf, signingText } from '../core/signature.js'
import { type TypedData, typedDataDigest, typedDataOf } from '../core/typed-data.js'
import { AccountSwitchedError, KubeltError, SignatureRejectedError } from '../errors.js'

/** Signs for one account. */
export interface Signer {
  readonly account: Account
  /** How it signs, where that does not follow from the account: `webauthn` of a passkey. */
  readonly scheme?: Scheme
  /**
   * Signs a text as the account does: as a personal message (EIP-191), or by a passkey's answer to its hash.
   *
   * @throws SignatureRejectedError, AccountSwitchedError.
   */
  sign(text: string): Promise<Uint8Array>
  /**
   * Signs typed data (EIP-712) with this digest. Without it, the words of a vote are written into the log.
   *
   * @throws SignatureRejectedError, AccountSwitchedError.
   */
  signTypedData?(data: TypedData, digest: Uint8Array): Promise<Uint8Array>
}

/** A wallet as EIP-1193 has it. */
export interface Eip1193Provider {
  request(args: { method: string; params?: readonly unknown[] }): Promise<unknown>
}

/** The wallet's owner declines (EIP-1193). */
const USER_REJECTED = 4001

/** A signer that has a private key of 32 bytes, as hex. */
export function keySigner(secret: string): Signer {
  const key = fromHex(secret)
  if (key?.length !== 32 || !secp256k1.utils.isValidSecretKey(key)) {
    throw new KubeltError('bad-key', 'A private key is 32 bytes in hex, as wallets export them.', 'This is none.')
  }
  const account = parseAccount(`0x${toHex(addressOf(secp256k1.getPublicKey(key, false)))}`)
  return {
    account,
    sign: async (text) => signHash(eip191Hash(bytesOf(text)), key),
    signTypedData: async (_data, digest) => signHash(digest, key),
  }
}

/**
 * Asks a wallet which account it is at, and gives a signer for that one. The wallet may ask its owner to connect.
 *
 * @throws SignatureRejectedError where the owner declines.
 */
export async function walletSigner(provider: Eip1193Provider): Promise<Signer> {
  const [address] = await addresses(provider, 'eth_requestAccounts')
  if (address === undefined)
    throw new KubeltError('no-account', 'The wallet offers no account.', 'Unlock it, choose one, and try again.')
  const account = parseAccount(address)
  const sign = (method: string, params: readonly unknown[], hash: Uint8Array) =>
    signWithWallet(provider, account, { method, params }, hash)
  return {
    account,
    sign: (text) => {
      const message = bytesOf(text)
      return sign('personal_sign', [`0x${toHex(message)}`, account], eip191Hash(message))
    },
    signTypedData: (data, digest) => sign('eth_signTypedData_v4', [account, JSON.stringify(data)], digest),
  }
}

/**
 * Signs an operation of the signer's own. A vote is signed as typed data where the signer can, so that its words need not
 * stand in the log; a passkey signs everything so but a `put`.
 *
 * @param what the words that a vote is on, where it does not carry them
 * @throws SignatureRejectedError, AccountSwitchedError.
 */
export async function signOperation(signer: Signer, header: Header, body: Body, what?: string): Promise<Signed> {
  const isTyped = signer.scheme === 'webauthn' ? header.verb !== 'put' : header.verb === 'vote'
  if (isTyped && signer.signTypedData) {
    const data = typedDataOf(header, body, what)
    const signature = await signer.signTypedData(data, typedDataDigest(header, body))
    return { header, scheme: signer.scheme ?? 'eip712', signature }
  }
  const signature = await signer.sign(signingText(header, body))
  return { header, scheme: signer.scheme ?? schemeOf(signer.account), signature }
}

async function signWithWallet(
  provider: Eip1193Provider,
  account: Account,
  call: { method: string; params: readonly unknown[] },
  hash: Uint8Array,
): Promise<Uint8Array> {
  const now = await addresses(provider, 'eth_accounts')
  if (!now.includes(account)) throw new AccountSwitchedError(account, now[0])
  const answer = await askWallet(provider, call)
  const signature = typeof answer === 'string' ? fromHex(answer) : undefined
  if (!signature)
    throw new KubeltError('no-signature', 'The wallet gave no signature.', 'Try again, or another wallet.')
  if (signature.length === 65) checkSigner(account, hash, signature)
  return signature
}

/** A wallet that was switched while it asked its owner signs with another key. */
function checkSigner(account: Account, hash: Uint8Array, signature: Uint8Array): void {
  const signed = recoverAddress(hash, signature)
  const expected = fromHex(account)
  if (expected && !sameBytes(signed, expected)) throw new AccountSwitchedError(account, `0x${toHex(signed)}`)
}

async function addresses(provider: Eip1193Provider, method: string): Promise<Account[]> {
  const answer = await askWallet(provider, { method, params: [] })
  return Array.isArray(answer) ? answer.filter((one) => typeof one === 'string').map(parseAccount) : []
}

/**
 * Asks a wallet.
 *
 * @throws SignatureRejectedError where its owner declines; what the wallet throws otherwise.
 */
export async function askWallet(
  provider: Eip1193Provider,
  call: { method: string; params: readonly unknown[] },
): Promise<unknown> {
  try {
    return await provider.request(call)
  } catch (error) {
    if ((error as { code?: unknown })?.code === USER_REJECTED) throw new SignatureRejectedError({ cause: error })
    throw error
  }
}

function signHash(hash: Uint8Array, key: Uint8Array): Uint8Array {
  const signature = secp256k1.sign(hash, key, { prehash: false, format: 'recovered' })
  return Uint8Array.of(...signature.subarray(1), 27 + (signature[0] as number))
}
