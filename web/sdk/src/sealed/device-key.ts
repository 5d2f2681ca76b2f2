/**
 * Keys of devices, which others seal content to. The secret half is made on the device and stays there; in browsers it
 * cannot even be read. The public half stands in the private core, signed by the account itself: nodes may hold keys of
 * sessions, and could otherwise put in a key of their own.
 *
 * @module
 */

import { x25519 } from '@noble/curves/ed25519.js'
import { type Account, parseAccount } from '../core/account.js'
import { bodyIdOf, decodeBody } from '../core/body.js'
import { blockOf, sameBytes } from '../core/bytes.js'
import { DecodeError, SignatureError } from '../core/errors.js'
import { bytes, Fields } from '../core/fields.js'
import { coreIdOf } from '../core/genesis.js'
import { asRoot, type OpId } from '../core/ids.js'
import { decodeSigned } from '../core/op.js'
import { below, parsePath } from '../core/path.js'
import { verifySigned } from '../core/signature.js'
import { KubeltError, ProblemError } from '../errors.js'
import type { Core } from '../local/core.js'
import type { Storage } from '../local/storage.js'
import type { Session } from '../session/session.js'
import type { Signer } from '../session/signer.js'
import { toId } from './bytes.js'
import { type PublicJwk, type Recipient, thumbprintOf, x25519Jwk } from './public-key.js'

const TABLE = 'device-keys'
const NAME = /^[a-z0-9_-]{1,64}$/

/** An X25519 key pair. The secret half is WebCrypto's and cannot be read, or 32 bytes where the browser has no X25519. */
export interface DeviceKeyPair {
  readonly publicKey: Uint8Array
  readonly privateKey: CryptoKey | Uint8Array
}

/** The key of this device. */
export interface DeviceKey extends DeviceKeyPair {
  readonly account: Account
  /** What its owner calls the device. */
  readonly device: string
}

interface Kept {
  readonly account: Account
  readonly device: string
  readonly publicKey: Uint8Array
  readonly privateKey: CryptoKey | Uint8Array | { readonly pkcs8: Uint8Array }
}

/**
 * Makes the key of this device, and publishes its public half in the private core `own`; the account signs. Where the key
 * was made before and not published, it is published now. The next sync sends it.
 *
 * @param device what to call it: 1 to 64 lower-case letters, digits, `-` and `_`
 * @throws KubeltError `bad-name`, `name-taken`, `not-private`; SignatureRejectedError, where nothing was published.
 */
export async function createDeviceKey(own: Core, signer: Signer, device: string): Promise<DeviceKey> {
  if (!NAME.test(device))
    throw new KubeltError(
      'bad-name',
      'That cannot name a device.',
      'Use 1 to 64 lower-case letters, digits, `-` and `_`.',
    )
  if (own.genesis.kind !== 'private')
    throw new KubeltError('not-private', 'Keys of devices stand in a private core.', 'Open your own core for it.')
  const { storage, account } = own.session
  const path = parsePath(`keys/${device}`)
  const published = own.get(path)
  const kept = (await deviceKeys(storage)).find((key) => key.account === account && key.device === device)
  const isOurs = kept && isKey(published, kept.publicKey)
  if (published !== undefined && !isOurs)
    throw new KubeltError('name-taken', `You have another device \`${device}\`.`, 'Choose another name.')
  const key = kept ?? (await generate(storage, account, device))
  if (!isOurs) await own.sign(signer, { verb: 'put', path, value: { x25519: key.publicKey } })
  return key
}

/** Takes the key of a device back: nobody seals to it any more. What is sealed to it stays so until it is sealed anew. */
export function withdrawDeviceKey(own: Core, device: string): Promise<OpId> {
  return own.put(`keys/${device}`, null)
}

/** The keys of this device, of whatever accounts. */
export async function deviceKeys(storage: Storage): Promise<DeviceKey[]> {
  const all = (await storage.entries(TABLE)).map(([, kept]) => kept as Kept)
  return Promise.all(
    all.map(async ({ privateKey, ...rest }) => ({
      ...rest,
      privateKey: 'pkcs8' in privateKey ? await importKey(privateKey.pkcs8) : privateKey,
    })),
  )
}

/**
 * The devices of an account, each with a key that the account itself has signed: the node is not believed. (It can hide a
 * newer key, or that one was taken back.)
 *
 * @throws KubeltError `no-device-key` where there is none to seal to; NetworkError.
 */
export async function publishedKeys(session: Session, account: string): Promise<Recipient[]> {
  const whose = parseAccount(account)
  const path = { core: whose }
  const set = await session.client.call('get', '/@{core}/-/keys', { path }).catch((error: unknown) => {
    if (error instanceof ProblemError && error.code === 'not-found') return { keys: [] }
    throw error
  })
  const found = set.keys.flatMap(({ proof }) => {
    const key = checkProof(whose, blockOf(proof.signed), blockOf(proof.body))
    return key ? [{ who: whose as string, label: key.device, jwk: key.jwk, isForeign: false }] : []
  })
  if (found.length > 0) return found
  throw new KubeltError(
    'no-device-key',
    `${whose} has published no key at this node that can be believed.`,
    'Whoever that is makes one with `createDeviceKey`, or `kubelt key new NAME`.',
  )
}

/** What a key is known by on the lists of those who can open something: its thumbprint, 32 bytes. */
export function thumbprintOfDevice({ publicKey }: DeviceKeyPair): Uint8Array {
  return thumbprintOf(x25519Jwk(publicKey))
}

/** The same as text. */
export function deviceKeyId(key: DeviceKeyPair): string {
  return toId(thumbprintOfDevice(key))
}

/** The device and the key that an account itself put into its private core; `undefined` where it did not. */
function checkProof(
  account: Account,
  signedBlock: Uint8Array,
  bodyBlock: Uint8Array,
): { device: string; jwk: PublicJwk } | undefined {
  try {
    const [signed, body] = [decodeSigned(signedBlock), decodeBody(bodyBlock)]
    const { header } = signed
    const core = coreIdOf({ kind: 'private', root: account })
    const isTheirs = header.core === core && header.by === account && header.auth === asRoot(core)
    if (!isTheirs || header.login !== undefined || header.body !== bodyIdOf(body)) return undefined
    if (header.verb !== 'put' || body.act.verb !== 'put') return undefined
    // A contract account's only its chain can answer for.
    if (verifySigned(signed, body, undefined) !== 'valid') return undefined
    const device = below(body.act.path, 'keys')
    const fields = new Fields(body.act.value, 'device key')
    const key = fields.required('x25519', bytes(32))
    fields.end()
    return device !== undefined && NAME.test(device) ? { device, jwk: x25519Jwk(key) } : undefined
  } catch (error) {
    const isBad = error instanceof DecodeError || error instanceof SignatureError || error instanceof KubeltError
    if (isBad) return undefined
    throw error
  }
}

function isKey(value: unknown, key: Uint8Array): boolean {
  const { x25519: found } = (value ?? {}) as { x25519?: unknown }
  return found instanceof Uint8Array && sameBytes(found, key)
}

async function generate(storage: Storage, account: Account, device: string): Promise<DeviceKey> {
  const native = await crypto.subtle
    .generateKey({ name: 'X25519' }, !storage.keepsKeys, ['deriveBits'])
    .catch(() => undefined)
  const key = { account, device, ...(native ? await ofPair(native as CryptoKeyPair) : ofBytes()) }
  const isHidden = native !== undefined && storage.keepsKeys
  const kept: Kept = isHidden || key.privateKey instanceof Uint8Array ? key : { ...key, privateKey: await written(key) }
  await storage.write(TABLE, [{ put: `${account}/${device}`, value: kept }])
  return key
}

async function ofPair({ publicKey, privateKey }: CryptoKeyPair): Promise<DeviceKeyPair> {
  return { publicKey: new Uint8Array(await crypto.subtle.exportKey('raw', publicKey)), privateKey }
}

function ofBytes(): DeviceKeyPair {
  const { secretKey, publicKey } = x25519.keygen()
  return { publicKey, privateKey: secretKey }
}

async function written({ privateKey }: DeviceKey): Promise<{ pkcs8: Uint8Array }> {
  return { pkcs8: new Uint8Array(await crypto.subtle.exportKey('pkcs8', privateKey as CryptoKey)) }
}

function importKey(pkcs8: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey('pkcs8', pkcs8.slice(), { name: 'X25519' }, true, ['deriveBits'])
}
