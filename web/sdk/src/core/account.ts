/**
 * Accounts: who signs.
 *
 * An externally owned account is `0x` and 40 lower-case hex digits with no chain id (one person on every EVM chain);
 * contracts and Solana accounts are CAIP-10; keys are `did:key` of Ed25519 or P-256.
 *
 * @module
 */

import { ed25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { base58btc } from 'multiformats/bases/base58'
import { bytesOf, compareText, concat, fromHex, toHex } from './bytes.js'
import { isMap, type Value } from './dag-cbor.js'
import { isSorted, listOf, text } from './fields.js'
import { PRINCIPAL_ACCOUNTS_MAX } from './limits.js'

declare const account: unique symbol
/** An account in its one text form. */
export type Account = string & { readonly [account]: true }

/** A public key that stands for itself. */
export interface PublicKey {
  readonly curve: 'ed25519' | 'p256'
  /** 32 bytes of Ed25519 (RFC 8032), or the 33 bytes of a compressed P-256 point (SEC1). */
  readonly bytes: Uint8Array
}

/** What an account is. */
export type AccountKind =
  | { readonly kind: 'eoa'; readonly address: Uint8Array }
  | { readonly kind: 'contract'; readonly chain: bigint; readonly address: Uint8Array }
  | { readonly kind: 'solana'; readonly cluster: string; readonly key: Uint8Array }
  | { readonly kind: 'key'; readonly key: PublicKey }

/** One account, or `m` of several together. */
export type Principal = Account | { readonly m: number; readonly of: readonly Account[] }

const ED25519_PUB = Uint8Array.of(0xed, 0x01)
const P256_PUB = Uint8Array.of(0x80, 0x24)
const U64_MAX = (1n << 64n) - 1n

/** Text that names no account. */
export class AccountError extends Error {
  override readonly name = 'AccountError'
}

/**
 * Reads an account of any spelling into its one text form.
 *
 * @throws AccountError when it is none.
 */
export function parseAccount(input: string): Account {
  const kind = kindOf(input)
  switch (kind.kind) {
    case 'eoa':
      return `0x${toHex(kind.address)}` as Account
    case 'contract':
      return `eip155:${kind.chain}:0x${toHex(kind.address)}` as Account
    case 'solana':
      return `solana:${kind.cluster}:${base58(kind.key)}` as Account
    case 'key':
      return didOf(kind.key) as Account
  }
}

/**
 * What the text of an account says.
 *
 * @throws AccountError when it is none.
 */
export function kindOf(input: string): AccountKind {
  if (input.startsWith('0x')) return { kind: 'eoa', address: parseAddress(input) }
  if (input.startsWith('did:key:')) return { kind: 'key', key: parseDid(input) }
  const [space, reference, ...rest] = input.split(':')
  const address = rest.join(':')
  if (space === 'eip155' && reference && /^[1-9][0-9]*$/.test(reference) && BigInt(reference) <= U64_MAX) {
    return { kind: 'contract', chain: BigInt(reference), address: parseAddress(address) }
  }
  if (space === 'solana' && reference && /^[A-Za-z0-9]{1,32}$/.test(reference)) {
    const key = fromBase58(address)
    if (key?.length === 32) return { kind: 'solana', cluster: reference, key }
  }
  throw new AccountError(
    `\`${input.slice(0, 128)}\` is not an account; write \`0x…\`, \`eip155:<chain>:0x…\`, \`solana:<cluster>:<address>\` or \`did:key:z…\``,
  )
}

/**
 * The 20 bytes of an EVM address of any case; mixed case must match its EIP-55 checksum.
 *
 * @throws AccountError when it is none.
 */
export function parseAddress(input: string): Uint8Array {
  const bytes = /^0x[0-9a-fA-F]{40}$/.test(input) ? fromHex(input) : undefined
  if (!bytes) throw new AccountError(`\`${input.slice(0, 64)}\` is not an EVM address of 40 hex digits`)
  const mixed = /[a-f]/.test(input.slice(2)) && /[A-F]/.test(input)
  if (mixed && checksummed(bytes) !== input) {
    throw new AccountError(
      `\`${input.slice(0, 64)}\` fails its EIP-55 checksum; copy the address again, or write it in lower case`,
    )
  }
  return bytes
}

/** An EVM address with its EIP-55 checksum. */
export function checksummed(address: Uint8Array): string {
  const digits = toHex(address)
  const hash = toHex(keccak_256(bytesOf(digits)))
  const cased = Array.from(digits, (digit, i) =>
    Number.parseInt(hash[i] as string, 16) > 7 ? digit.toUpperCase() : digit,
  )
  return `0x${cased.join('')}`
}

/** The `did:key` of a public key. */
export function didOf(key: PublicKey): string {
  const prefix = key.curve === 'ed25519' ? ED25519_PUB : P256_PUB
  return `did:key:z${base58(concat([prefix, key.bytes]))}`
}

/**
 * The key of a `did:key`.
 *
 * @throws AccountError when it holds no usable Ed25519 or P-256 key.
 */
export function parseDid(did: string): PublicKey {
  const refused = () => new AccountError(`\`${did.slice(0, 128)}\` does not hold an Ed25519 or P-256 public key`)
  const encoded = did.startsWith('did:key:z') ? did.slice(9) : ''
  const bytes = encoded.length <= 64 ? fromBase58(encoded) : undefined
  const [first, second] = bytes ?? []
  const rest = bytes?.slice(2)
  if (rest && first === ED25519_PUB[0] && second === ED25519_PUB[1] && isEd25519Key(rest)) {
    return { curve: 'ed25519', bytes: rest }
  }
  if (rest && first === P256_PUB[0] && second === P256_PUB[1] && isP256Key(rest)) return { curve: 'p256', bytes: rest }
  throw refused()
}

/** How many accounts must agree. */
export function thresholdOf(principal: Principal): number {
  return typeof principal === 'string' ? 1 : principal.m
}

/** The accounts of a principal. */
export function accountsOf(principal: Principal): readonly Account[] {
  return typeof principal === 'string' ? [principal] : principal.of
}

/** Whether an account is a P-256 key: what passkeys are. */
export function isPasskey(account: Account): boolean {
  return account.startsWith('did:key:') && parseDid(account).curve === 'p256'
}

/** Whether passkeys alone could act for a principal: no core of several people may rest on that. */
export function isOfPasskeys(principal: Principal): boolean {
  return accountsOf(principal).filter(isPasskey).length >= thresholdOf(principal)
}

/** Whether two principals are the same. */
export function samePrincipal(a: Principal, b: Principal): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b
  return a.m === b.m && a.of.length === b.of.length && a.of.every((one, i) => one === b.of[i])
}

/** Reads an account from a block, where it stands in its one form. */
export function readAccount(value: Value): Account | undefined {
  const input = text(value)
  try {
    return input !== undefined && parseAccount(input) === input ? (input as Account) : undefined
  } catch {
    return undefined
  }
}

/** Reads a principal from a block. */
export function readPrincipal(value: Value): Principal | undefined {
  if (!isMap(value)) return readAccount(value)
  const of = value['of'] === undefined ? undefined : listOf(readAccount)(value['of'])
  const m = value['m']
  const fits = typeof m === 'number' && Number.isInteger(m) && Object.keys(value).length === 2
  if (!fits || !of || m < 1 || m > of.length || of.length > PRINCIPAL_ACCOUNTS_MAX) return undefined
  return isSorted(of, compareText) ? { m, of } : undefined
}

/** A principal as it stands in a block. */
export function principalValue(principal: Principal): Value {
  return typeof principal === 'string' ? principal : { m: principal.m, of: [...principal.of] }
}

/** Bytes in base58 (of Bitcoin). */
export function base58(bytes: Uint8Array): string {
  return base58btc.baseEncode(bytes)
}

/** The bytes of base58; `undefined` where it is none. */
export function fromBase58(input: string): Uint8Array | undefined {
  try {
    return base58btc.baseDecode(input)
  } catch {
    return undefined
  }
}

function isEd25519Key(bytes: Uint8Array): boolean {
  try {
    return bytes.length === 32 && !ed25519.Point.fromBytes(bytes, true).isSmallOrder()
  } catch {
    return false
  }
}

function isP256Key(bytes: Uint8Array): boolean {
  try {
    const isCompressed = bytes.length === 33 && (bytes[0] === 2 || bytes[0] === 3)
    return isCompressed && Boolean(p256.Point.fromBytes(bytes))
  } catch {
    return false
  }
}
