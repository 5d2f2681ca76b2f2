/**
 * The `encryption` of a content entry: in which form its bytes are sealed, and to which keys (`spec/sealed.md`).
 *
 * A node could add a key of its own to the list, and wait for somebody to seal the file anew for all who are on it. So the
 * list is authenticated by the content key, and whoever has that checks it first.
 *
 * @module
 */

import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesOf, concat, utf8Length } from '../core/bytes.js'
import type { Value, ValueMap } from '../core/dag-cbor.js'
import { DecodeError } from '../core/errors.js'
import { bytes, Fields, listOf, text } from '../core/fields.js'
import { KubeltError } from '../errors.js'
import { sameSecret, toId } from './bytes.js'

/** Keys that one file is sealed to, at most. */
export const RECIPIENTS_MAX = 64
const WHO_BYTES_MAX = 512
const LABEL_BYTES_MAX = 128
/** Bytes of a wrapped content key: the encapsulated key, the sealed key, the tag. */
const WRAP_BYTES = 32 + 32 + 16
const PURPOSE = 'kubelt sealed list v1'
/** Of lists that name gates: what these say cannot be taken for what others do. */
const PURPOSE_OF_GATED = 'kubelt sealed list of gates v1'
const GATES_MAX = 8

/** `chunks`: authenticated chunks, with a wrapped key in the entry for each device. `jwe`: a JSON Web Encryption. */
export type SealedForm = 'chunks' | 'jwe'

/** One key that opens the content. */
export interface SealedTo {
  /** Whose key it is: an account, or the URL of a set of keys. */
  readonly who: string
  /** Its thumbprint (RFC 7638, SHA-256). */
  readonly key: Uint8Array
  /** What its owner calls it: a device, or the `kid` of a set. */
  readonly label?: string
  /** The wrapped content key, 80 bytes; with `chunks` only. */
  readonly wrap?: Uint8Array
  /** The gate for which its owner can open it; none for who was named. */
  readonly gate?: string
}

/** How content is encrypted. */
export interface Encryption {
  readonly form: SealedForm
  /** Names of gates: whoever passes one is to be able to open it. */
  readonly gates?: readonly string[]
  readonly to: readonly SealedTo[]
  /** Authenticates form and list under the content key, 32 bytes. */
  readonly mac: Uint8Array
}

/** Reads the `encryption` of an entry; `undefined` where it is none that is known. */
export function readEncryption(value: Value | undefined): Encryption | undefined {
  try {
    const fields = new Fields(value, 'encryption')
    const form = fields.required('form', readForm)
    const gates = fields.optional('gates', listOf(text))
    const to = fields.required(
      'to',
      listOf((item) => readSealedTo(item, form)),
    )
    const mac = fields.required('mac', bytes(32))
    fields.end()
    const keys = new Set(to.map(({ key }) => toId(key)))
    const fits = to.length >= 1 && to.length <= RECIPIENTS_MAX && keys.size === to.length && fitGates(gates, to)
    return fits ? { form, ...(gates && { gates }), to, mac } : undefined
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** The fields to put. */
export function encryptionValue({ form, gates, to, mac }: Encryption): ValueMap {
  const entry = ({ who, key, label, wrap, gate }: SealedTo): ValueMap => ({
    who,
    key,
    ...(label !== undefined && { label }),
    ...(wrap && { wrap }),
    ...(gate !== undefined && { gate }),
  })
  return { form, ...(gates && { gates: [...gates] }), to: to.map(entry), mac }
}

/** The `encryption` for a list, authenticated by the content key. */
export function bindList(contentKey: Uint8Array, form: SealedForm, to: readonly SealedTo[]): Encryption {
  return { form, to, mac: macOf(contentKey, { form, to }) }
}

/**
 * Checks that a list is the one that its sealer made.
 *
 * @throws KubeltError `foreign-list`
 */
export function checkList(contentKey: Uint8Array, encryption: Encryption): void {
  if (sameSecret(macOf(contentKey, encryption), encryption.mac)) return
  throw new KubeltError(
    'foreign-list',
    'The list of those who can open this was changed by somebody who cannot; nothing was sealed for them.',
    'Seal the content anew from your own copy, and do not trust who handed this out.',
  )
}

/** The list in one way only: each text after its length in 4 bytes. Wraps are left out: they prove themselves. */
function macOf(contentKey: Uint8Array, { form, gates, to }: Omit<Encryption, 'mac'>): Uint8Array {
  const said = to.flatMap(({ who, key, label, gate }) => {
    const own = [bytesOf(who), key, bytesOf(label ?? '')]
    return gates ? [...own, bytesOf(gate ?? '')] : own
  })
  const names = gates ? [bytesOf(gates.join(' '))] : []
  const parts = [bytesOf(form), ...names, ...said].flatMap((part) => [lengthOf(part), part])
  const purpose = bytesOf(gates ? PURPOSE_OF_GATED : PURPOSE)
  return hmac(sha256, hkdf(sha256, contentKey, undefined, purpose, 32), concat(parts))
}

function lengthOf(part: Uint8Array): Uint8Array {
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, part.length)
  return length
}

function readForm(value: Value): SealedForm | undefined {
  return value === 'chunks' || value === 'jwe' ? value : undefined
}

/** Gates are sorted and have names; whoever is there for one is there for one of them. */
function fitGates(gates: readonly string[] | undefined, to: readonly SealedTo[]): boolean {
  const names = gates ?? []
  const sorted = names.every((name, at) => /^[\w:-]+$/.test(name) && (at === 0 || (names[at - 1] ?? '') < name))
  const many = gates !== undefined && (gates.length < 1 || gates.length > GATES_MAX)
  return sorted && !many && to.every(({ gate }) => gate === undefined || names.includes(gate))
}

function readSealedTo(value: Value, form: SealedForm): SealedTo {
  const fields = new Fields(value, 'recipient')
  const label = fields.optional('label', line(LABEL_BYTES_MAX))
  const wrap = fields.optional('wrap', bytes(WRAP_BYTES))
  const gate = fields.optional('gate', text)
  const to = {
    who: fields.required('who', line(WHO_BYTES_MAX)),
    key: fields.required('key', bytes(32)),
    ...(label !== undefined && { label }),
    ...(wrap && { wrap }),
    ...(gate !== undefined && { gate }),
  }
  fields.end()
  if ((wrap !== undefined) !== (form === 'chunks')) throw new DecodeError('only chunks have wrapped keys')
  return to
}

/** 1 to so many bytes of text without control characters. */
function line(bytesMax: number): (value: Value) => string | undefined {
  return (value) => {
    const said = text(value)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    return said && utf8Length(said) <= bytesMax && !/[\u0000-\u001f\u007f-\u009f]/.test(said) ? said : undefined
  }
}
