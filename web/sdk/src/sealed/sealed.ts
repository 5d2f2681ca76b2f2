/**
 * Content encrypted to public keys on this device, so that nodes have ciphertext only; opened; and who can open it changed.
 * `docs/build/sealed-content.md` says what is hidden and what is not, `spec/sealed.md` how it is done.
 *
 * @module
 */

import type { FileData } from '../content/pieces.js'
import { parseAccount } from '../core/account.js'
import { concat, sameBytes } from '../core/bytes.js'
import type { Visibility } from '../core/content-entry.js'
import { fromDagJson } from '../core/dag-json.js'
import { KubeltError } from '../errors.js'
import type { Published, PublishOptions } from '../local/content.js'
import type { Core } from '../local/core.js'
import type { CoreAt } from '../members/place.js'
import { random, toId } from './bytes.js'
import { CHUNKS_MEDIA_TYPE, FileCipher, HEADER_BYTES, splitHeader } from './chunks.js'
import { type DeviceKey, publishedKeys, thumbprintOfDevice } from './device-key.js'
import {
  bindList,
  checkList,
  type Encryption,
  RECIPIENTS_MAX,
  readEncryption,
  type SealedForm,
  type SealedTo,
} from './encryption.js'
import { type Recipient, recipientsAt, thumbprintOf } from './public-key.js'
import { unwrapKey, wrapKey } from './wrap.js'

/** How to seal. */
export interface SealOptions extends Omit<PublishOptions, 'encryption' | 'mediaType'> {
  /** Who can open it: accounts, whose devices are looked up, or keys (`recipientsAt` gives those that others publish). */
  readonly to: readonly (string | Recipient)[]
  /** Leaves out your own devices. */
  readonly notMe?: boolean
  /** `jwe` where others shall open it with other programs; it is chosen by itself where a key of a set is among `to`. */
  readonly form?: SealedForm
}

/** A sealed file, wherever it is. */
export interface SealedFile {
  /** Bytes of ciphertext. */
  readonly size: number
  readonly encryption: Encryption
  /** The ciphertext from one byte to another, which is not in it; to the end when absent. */
  read(from?: number, to?: number): AsyncIterable<Uint8Array>
}

/**
 * Seals a file to whoever shall open it, and publishes the ciphertext at a path. Files of any size are sealed in chunks; a
 * JWE has 16 MiB at most.
 *
 * @throws KubeltError `no-device-key`, `no-recipients`, `too-many`, `too-large`; as `CoreContent.put`.
 * @example
 * ```ts
 * import { Client, Core, createDeviceKey, deviceKeys, keySigner, openSealedBytes, seal, sealedIn, Session } from '@kubelt/sdk'
 *
 * const client = new Client('http://127.0.0.1:4747')
 * const signer = keySigner(process.env.WALLET_SECRET ?? '')
 * const core = await Core.open(await Session.signIn(client, signer))
 * await createDeviceKey(core, signer, 'laptop')
 * await core.sync()
 * await seal(core, 'diary.txt', 'nobody else reads this', { to: [] })
 * const opened = await openSealedBytes(sealedIn(core, 'diary.txt'), await deviceKeys(core.session.storage))
 * console.log(new TextDecoder().decode(opened))
 * ```
 */
export async function seal(core: Core, path: string, data: FileData, options: SealOptions): Promise<Published> {
  const { to, notMe = false, form, ...rest } = options
  const recipients = await resolve(core, to)
  if (!notMe) recipients.push(...(await ownKeys(core)))
  return publish(core, path, data, distinct(recipients), form ?? formFor(recipients), rest)
}

/**
 * A sealed file of a core that is open here.
 *
 * @throws KubeltError `not-found`
 */
export function sealedIn(core: Core, path: string): SealedFile {
  const entry = core.content.at(path)
  if (!entry?.encryption) throw notFound(path)
  return {
    size: entry.size,
    encryption: entry.encryption,
    read: (from, to) => sliced(core.content.stream(path), from, to),
  }
}

/**
 * A sealed file of any core that lets this reader have it, such as a public one of somebody else.
 *
 * @throws ProblemError `not-found`; NetworkError.
 */
export async function sealedAt(at: CoreAt, path: string): Promise<SealedFile> {
  const { client } = at.session
  const view = await client.call('get', '/@{core}/-/sealed/{path}', { path: { core: at.id, path } })
  const encryption = readEncryption(fromDagJson(view.encryption))
  if (!encryption) throw notFound(path)
  const url = `/@${at.id}/-/content/${path.split('/').map(encodeURIComponent).join('/')}`
  return {
    size: view.size,
    encryption,
    read: async function* (from = 0, to = view.size) {
      if (from >= to) return
      const response = await client.send(url, { headers: { range: `bytes=${from}-${to - 1}` } })
      const body = response.body?.getReader()
      for (let read = await body?.read(); read && !read.done; read = await body?.read()) yield read.value
    },
  }
}

/**
 * Opens a sealed file with the key of this device. Of chunks each piece is authentic when it is given; whether the file is
 * whole shows at its end.
 *
 * @param keys the keys of this device (`deviceKeys`); the one that it is sealed to is used
 * @throws KubeltError `not-for-us`, `wrong-key`, `sealed-changed`, `foreign-list`
 */
export async function* openSealed(file: SealedFile, keys: readonly DeviceKey[]): AsyncGenerator<Uint8Array> {
  const { form } = file.encryption
  const [device, to] = ownKey(file.encryption, keys)
  if (form === 'jwe') {
    const { openJwe } = await import('./jwe.js')
    yield await openJwe(await collect(file.read()), device)
    return
  }
  const [header, body] = await splitHeader(file.read())
  const cipher = await FileCipher.open(await unwrapKey(wrapOf(to), device, header), header)
  yield* cipher.open(body)
}

/**
 * The whole of a sealed file.
 *
 * @throws as {@link openSealed}
 */
export function openSealedBytes(file: SealedFile, keys: readonly DeviceKey[]): Promise<Uint8Array<ArrayBuffer>> {
  return collect(openSealed(file, keys))
}

/**
 * The bytes from one to another of the plaintext, of which only the chunks that have them are fetched. (That a file was cut
 * off behind them does not show.)
 *
 * @param to not among them
 * @throws KubeltError `bad-range` where the file has no such bytes; as {@link openSealed}.
 */
export async function* openSealedRange(
  file: SealedFile,
  keys: readonly DeviceKey[],
  from: number,
  to: number,
): AsyncGenerator<Uint8Array> {
  const [device, own] = ownKey(file.encryption, keys)
  if (file.encryption.form === 'jwe') {
    yield* sliced(openSealed(file, keys), from, to)
    return
  }
  const header = await collect(file.read(0, HEADER_BYTES))
  const cipher = await FileCipher.open(await unwrapKey(wrapOf(own), device, header), header)
  const span = cipher.span(file.size, from, to)
  if (!span) throw new KubeltError('bad-range', 'The file has no such bytes.', 'Choose a range within it.')
  yield* cipher.openSpan(file.read(span.from, span.to), span)
}

/**
 * Lets somebody open what is sealed at a path, too: the key is wrapped for them, and in chunks no byte of the file changes.
 *
 * @throws KubeltError `foreign-list` where somebody else changed the list; as {@link seal} and {@link openSealed}.
 */
export async function addGrant(
  core: Core,
  path: string,
  keys: readonly DeviceKey[],
  to: readonly (string | Recipient)[],
): Promise<Published> {
  const opened = await unseal(core, path, keys)
  const known = (one: Recipient) => opened.encryption.to.some(({ key }) => sameBytes(key, thumbprintOf(one.jwk)))
  const more = distinct(await resolve(core, to)).filter((one) => !known(one))
  if (more.length === 0) throw new KubeltError('known', 'All of them can open it already.')
  return extend(core, opened, more)
}

/**
 * Seals what is at a path anew without some of those who can open it. What they have read or kept stays with them.
 *
 * @param gone accounts, URLs of sets, or `{ who, label }` for one key of somebody
 * @throws KubeltError `no-grant` where none of them can open it, `no-recipients` where nobody is left; as {@link addGrant}.
 */
export async function removeGrant(
  core: Core,
  path: string,
  keys: readonly DeviceKey[],
  gone: readonly (string | Pick<SealedTo, 'who' | 'label'>)[],
): Promise<Published> {
  const opened = await unseal(core, path, keys)
  const isGone = (to: SealedTo) => gone.some((one) => isNamed(to, one))
  const left = opened.encryption.to.filter((to) => !isGone(to))
  if (left.length === opened.encryption.to.length)
    throw new KubeltError('no-grant', 'None of them can open it.', 'Look at the list of those who can.')
  const listed = await resolveListed(core, left)
  return reseal(
    core,
    opened,
    keys,
    listed.filter(({ jwk }) => left.some(({ key }) => sameBytes(key, thumbprintOf(jwk)))),
  )
}

/**
 * Seals what is at a path to the keys that those who can open it have now: new devices are added, and where some were taken
 * back, everything is sealed anew with another key.
 *
 * @param rekey whether it is sealed anew in any case
 * @returns `undefined` where nothing has to change
 */
export async function refreshGrants(
  core: Core,
  path: string,
  keys: readonly DeviceKey[],
  rekey = false,
): Promise<Published | undefined> {
  const opened = await unseal(core, path, keys)
  const now = distinct(await resolveListed(core, opened.encryption.to))
  const has = (key: Uint8Array) => now.some(({ jwk }) => sameBytes(key, thumbprintOf(jwk)))
  if (rekey || !opened.encryption.to.every(({ key }) => has(key))) return reseal(core, opened, keys, now)
  const listed = (one: Recipient) => opened.encryption.to.some(({ key }) => sameBytes(key, thumbprintOf(one.jwk)))
  const more = now.filter((one) => !listed(one))
  return more.length === 0 ? undefined : extend(core, opened, more)
}

/** Sealed content with its key, and a list that was found to be its sealer's. */
interface Unsealed {
  readonly path: string
  readonly visibility: Visibility
  readonly encryption: Encryption
  readonly file: SealedFile
  readonly contentKey: Uint8Array
  /** The header of a file in chunks. */
  readonly header: Uint8Array
}

async function unseal(core: Core, path: string, keys: readonly DeviceKey[]): Promise<Unsealed> {
  const entry = core.content.at(path)
  const file = sealedIn(core, path)
  const { encryption } = file
  const [device, to] = ownKey(encryption, keys)
  const isJwe = encryption.form === 'jwe'
  const header = isJwe ? new Uint8Array(0) : await collect(file.read(0, HEADER_BYTES))
  const contentKey = isJwe ? await keyOfJwe(file, device) : await unwrapKey(wrapOf(to), device, header)
  checkList(contentKey, encryption)
  // Whoever passes is told by chains, and who passes no more has to be left out.
  if (encryption.gates)
    throw new KubeltError(
      'gated',
      `This is sealed to whoever passes ${encryption.gates.join(', ')}.`,
      'Change its grants with `kubelt grant`.',
    )
  return { path, visibility: entry?.visibility ?? 'private', encryption, file, contentKey, header }
}

async function keyOfJwe(file: SealedFile, device: DeviceKey): Promise<Uint8Array> {
  const { jweContentKey, readJwe } = await import('./jwe.js')
  return jweContentKey(readJwe(await collect(file.read())), device)
}

/** Wraps the key for more. */
async function extend(core: Core, opened: Unsealed, more: readonly Recipient[]): Promise<Published> {
  const { path, visibility, contentKey, header, file } = opened
  const { form } = opened.encryption
  if (form === 'chunks' && formFor(more) === 'jwe') {
    // The newcomers need another form, and so all are looked up.
    const all = [...more, ...(await resolveListed(core, opened.encryption.to))]
    return reseal(core, opened, await keysOf(core), distinct(all))
  }
  const added = await listOf(more, form === 'chunks' ? (one) => wrapKey(contentKey, one.jwk, header) : undefined)
  const to = [...opened.encryption.to, ...added]
  checkCount(to.length)
  const encryption = bindList(contentKey, form, to)
  if (form === 'chunks') return core.content.reseal(path, encryption)
  const { addRecipient, JWE_MEDIA_TYPE, readJwe } = await import('./jwe.js')
  let message = readJwe(await collect(file.read()))
  for (const one of more) message = await addRecipient(message, contentKey, one)
  return core.content.put(path, JSON.stringify(message), { visibility, mediaType: JWE_MEDIA_TYPE, encryption })
}

/** Seals it anew, with another key. */
function reseal(
  core: Core,
  opened: Unsealed,
  keys: readonly DeviceKey[],
  wanted: readonly Recipient[],
): Promise<Published> {
  // Whoever wanted a JWE once has programs that open it.
  const form = opened.encryption.form === 'jwe' ? 'jwe' : formFor(wanted)
  const { path, visibility, file } = opened
  return publish(core, path, openSealed(file, keys), wanted, form, { visibility })
}

async function publish(
  core: Core,
  path: string,
  data: FileData,
  to: readonly Recipient[],
  form: SealedForm,
  options: PublishOptions,
): Promise<Published> {
  if (to.length === 0)
    throw new KubeltError('no-recipients', 'Nobody would be able to open it.', 'Name somebody, or clear the path.')
  checkCount(to.length)
  const contentKey = random(32)
  if (form === 'jwe') {
    const { addRecipient, JWE_MEDIA_TYPE, sealJwe } = await import('./jwe.js')
    let message = await sealJwe(await collect(data), contentKey)
    for (const one of to) message = await addRecipient(message, contentKey, one)
    const encryption = bindList(contentKey, form, await listOf(to))
    return core.content.put(path, JSON.stringify(message), { ...options, mediaType: JWE_MEDIA_TYPE, encryption })
  }
  const cipher = await FileCipher.create(contentKey)
  const listed = await listOf(to, (one) => wrapKey(contentKey, one.jwk, cipher.header))
  const encryption = bindList(contentKey, form, listed)
  return core.content.put(path, cipher.seal(data), { ...options, mediaType: CHUNKS_MEDIA_TYPE, encryption })
}

/** Recipients as they stand in an entry. */
function listOf(to: readonly Recipient[], wrap?: (one: Recipient) => Promise<Uint8Array>): Promise<SealedTo[]> {
  return Promise.all(
    to.map(async (one) => ({
      who: one.who,
      key: thumbprintOf(one.jwk),
      ...(one.label !== undefined && { label: one.label }),
      ...(wrap && { wrap: await wrap(one) }),
    })),
  )
}

/** In which form all of them can open it. */
function formFor(to: readonly Recipient[]): SealedForm {
  return to.some(({ isForeign, jwk }) => isForeign || jwk.kty !== 'OKP') ? 'jwe' : 'chunks'
}

async function resolve(core: Core, to: readonly (string | Recipient)[]): Promise<Recipient[]> {
  const found: Recipient[] = []
  for (const one of to) found.push(...(typeof one === 'string' ? await publishedKeys(core.session, one) : [one]))
  return found
}

/** The keys that those on a list have now. */
async function resolveListed(core: Core, listed: readonly SealedTo[]): Promise<Recipient[]> {
  const found: Recipient[] = []
  for (const who of new Set(listed.map(({ who }) => who))) {
    if (!who.includes('://')) found.push(...(await publishedKeys(core.session, asAccount(who))))
    else {
      // Of somebody's set, one key may have been chosen.
      const isListed = ({ label }: Recipient) => listed.some((to) => to.who === who && to.label === label)
      found.push(...(await recipientsAt(who)).filter(isListed))
    }
  }
  return found
}

function asAccount(who: string): string {
  try {
    return parseAccount(who)
  } catch (cause) {
    const what = `The key of \`${who}\` cannot be looked up again.`
    throw new KubeltError('no-device-key', what, 'Seal it anew, and give that key again.', { cause })
  }
}

async function ownKeys(core: Core): Promise<Recipient[]> {
  return publishedKeys(core.session, core.session.account).catch((error: unknown) => {
    if (error instanceof KubeltError && error.code === 'no-device-key') return []
    throw error
  })
}

async function keysOf(core: Core): Promise<DeviceKey[]> {
  const { deviceKeys } = await import('./device-key.js')
  return deviceKeys(core.session.storage)
}

/** Each key once. */
function distinct(to: readonly Recipient[]): Recipient[] {
  return [...new Map(to.map((one) => [toId(thumbprintOf(one.jwk)), one])).values()]
}

/** The key of this device among those on a list. */
function ownKey(encryption: Encryption, keys: readonly DeviceKey[]): [DeviceKey, SealedTo] {
  for (const device of keys) {
    const thumbprint = thumbprintOfDevice(device)
    const to = encryption.to.find(({ key }) => sameBytes(key, thumbprint))
    if (to) return [device, to]
  }
  const whos = [...new Set(encryption.to.map(({ who }) => who))].join(', ')
  throw new KubeltError(
    'not-for-us',
    `This is sealed to keys of ${whos}, none of which is on this device.`,
    'A device that can open it adds this one with `refreshGrants`, or `kubelt grant refresh`.',
  )
}

function isNamed(to: SealedTo, one: string | Pick<SealedTo, 'who' | 'label'>): boolean {
  const { who, label } = typeof one === 'string' ? ({ who: one } as Pick<SealedTo, 'who' | 'label'>) : one
  const whose = who.includes('://') || who.startsWith('file:') ? who : asAccount(who)
  return to.who === whose && (label === undefined || to.label === label)
}

function wrapOf({ wrap }: SealedTo): Uint8Array {
  return wrap ?? new Uint8Array(0)
}

function checkCount(count: number): void {
  if (count <= RECIPIENTS_MAX) return
  throw new KubeltError('too-many', `${count} keys are over the 64 that one file is sealed to.`, 'Name fewer.')
}

function notFound(path: string): KubeltError {
  return new KubeltError('not-found', `There is no sealed content at \`${path}\` that you may read.`)
}

/** The bytes from one to another of a stream. */
async function* sliced(stream: AsyncIterable<Uint8Array>, from = 0, to = Number.POSITIVE_INFINITY) {
  let at = 0
  for await (const piece of stream) {
    const part = piece.subarray(Math.max(0, from - at), Math.max(0, to - at))
    at += piece.length
    if (part.length > 0) yield part
    if (at >= to) return
  }
}

async function collect(data: FileData): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof data === 'string') return new TextEncoder().encode(data)
  if (data instanceof Uint8Array) return data.slice()
  if (data instanceof Blob) return new Uint8Array(await data.arrayBuffer())
  const pieces: Uint8Array[] = []
  for await (const piece of data) pieces.push(piece)
  return concat(pieces)
}
