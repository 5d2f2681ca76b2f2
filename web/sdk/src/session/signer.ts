/**
 * Who signs for an account: any wallet that speaks EIP-1193, or a private key.
 *
 * @module
 */

import { secp256k1 } from '@noble/curves/secp256k1.js'
import { type Account, parseAccount } from '../core/account.js'
import { bytesOf, fromHex, sameBytes, toHex } from '../core/bytes.js'
import { addressOf, eip191Hash, recoverAddress } from '../core/signature.js'
import { AccountSwitchedError, KubeltError, SignatureRejectedError } from '../errors.js'

/** Signs texts for one account. */
export interface Signer {
  readonly account: Account
  /**
   * Signs a text as a personal message (EIP-191).
   *
   * @throws SignatureRejectedError, AccountSwitchedError.
   */
  sign(text: string): Promise<Uint8Array>
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
    throw new KubeltError('A private key is 32 bytes in hex, as wallets export them. This is none.')
  }
  const account = parseAccount(`0x${toHex(addressOf(secp256k1.getPublicKey(key, false)))}`)
  return { account, sign: async (text) => signHash(eip191Hash(bytesOf(text)), key) }
}

/**
 * Asks a wallet which account it is at, and gives a signer for that one. The wallet may ask its owner to connect.
 *
 * @throws SignatureRejectedError where the owner declines.
 */
export async function walletSigner(provider: Eip1193Provider): Promise<Signer> {
  const [address] = await addresses(provider, 'eth_requestAccounts')
  if (address === undefined)
    throw new KubeltError('The wallet offers no account. Unlock it, choose one, and try again.')
  const account = parseAccount(address)
  return { account, sign: (text) => signWithWallet(provider, account, text) }
}

async function signWithWallet(provider: Eip1193Provider, account: Account, text: string): Promise<Uint8Array> {
  const now = await addresses(provider, 'eth_accounts')
  if (!now.includes(account)) throw new AccountSwitchedError(account, now[0])
  const message = bytesOf(text)
  const answer = await ask(provider, 'personal_sign', [`0x${toHex(message)}`, account])
  const signature = typeof answer === 'string' ? fromHex(answer) : undefined
  if (!signature) throw new KubeltError('The wallet gave no signature. Try again, or another wallet.')
  if (signature.length === 65) checkSigner(account, message, signature)
  return signature
}

/** A wallet that was switched while it asked its owner signs with another key. */
function checkSigner(account: Account, message: Uint8Array, signature: Uint8Array): void {
  const signed = recoverAddress(eip191Hash(message), signature)
  const expected = fromHex(account)
  if (expected && !sameBytes(signed, expected)) throw new AccountSwitchedError(account, `0x${toHex(signed)}`)
}

async function addresses(provider: Eip1193Provider, method: string): Promise<Account[]> {
  const answer = await ask(provider, method, [])
  return Array.isArray(answer) ? answer.filter((one) => typeof one === 'string').map(parseAccount) : []
}

async function ask(provider: Eip1193Provider, method: string, params: readonly unknown[]): Promise<unknown> {
  try {
    return await provider.request({ method, params })
  } catch (error) {
    if ((error as { code?: unknown })?.code === USER_REJECTED) throw new SignatureRejectedError({ cause: error })
    throw error
  }
}

function signHash(hash: Uint8Array, key: Uint8Array): Uint8Array {
  const signature = secp256k1.sign(hash, key, { prehash: false, format: 'recovered' })
  return Uint8Array.of(...signature.subarray(1), 27 + (signature[0] as number))
}
