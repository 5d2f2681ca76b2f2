/**
 * What an operation does, in plain words that a person can judge. They are part of what a wallet signs, and whoever
 * checks the signature makes them again, so they are a function of the body alone and follow
 * crates/kubelt-core/src/words.rs to the letter.
 *
 * @module
 */

import { sha256 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { CID } from 'multiformats/cid'
import type { Ability } from './ability.js'
import type { Account, Principal } from './account.js'
import { bytesOf, compareText, concat, toHex, utf8Length } from './bytes.js'
import { type ContentEntry, readContentEntry } from './content-entry.js'
import { encode, Float, type Value, type ValueMap } from './dag-cbor.js'
import { type Hlc, msOf } from './hlc.js'
import { idOf } from './ids.js'
import { WORDS_BYTES_MAX, WORDS_VALUE_BYTES_MAX } from './limits.js'
import type { Act, Body } from './op.js'
import { isPlain, quoted } from './quote.js'

const DAY_MS = 24 * 60 * 60 * 1_000

/** There are no words for an act. */
export class WordsError extends Error {
  override readonly name = 'WordsError'
}

/**
 * What an act does.
 *
 * @throws WordsError where nobody would read it, and for a vote without its words.
 */
export function wordsOf(act: Act): string {
  return bounded(sentence(act))
}

/**
 * What a proposal of `by` does, as those who vote on it see it; it ends in a code made of the body's salt.
 *
 * @throws WordsError as {@link wordsOf}.
 */
export function wordsOfProposal(by: Account, body: Body): string {
  const code = sha256(concat([bytesOf('kubelt request'), body.salt])).subarray(0, 16)
  return bounded(`${wordsOf(body.act)} Proposed by ${by}, code ${toHex(code)}.`)
}

/** The keccak-256 of words, which votes carry. */
export function hashWords(words: string): Uint8Array {
  return keccak_256(bytesOf(words))
}

/** Whether text is one line of which every character can be seen for what it is, as words are. */
export function isLine(text: string): boolean {
  if (text === '' || !text.isWellFormed() || utf8Length(text) > WORDS_BYTES_MAX) return false
  return Array.from(text).every((character) => isPlain(character.codePointAt(0) as number))
}

/** How a vote decides. */
export function decisionWord(approve: boolean): string {
  return approve ? 'Approve' : 'Reject'
}

/** A date in words. */
export function dateWords(at: Hlc): string {
  const ms = msOf(at)
  // The last millisecond of the year 9999.
  return ms <= 253_402_300_799_999 ? new Date(ms).toISOString() : `${ms} ms after the beginning of 1970`
}

/** An ability in words. */
export function abilityWords({ verb, paths }: Ability): string {
  const what = VERB_WORDS[verb]
  if (paths === '**') return verb === 'read' || verb === 'put' || verb === 'call' ? `${what} everything` : what
  if (paths.endsWith('/**')) return `${what} at ${quoted(paths.slice(0, -3))} and below it`
  return `${what} at ${quoted(paths)} alone`
}

const VERB_WORDS: Record<Ability['verb'], string> = {
  read: 'read',
  put: 'write',
  grant: 'hand on what they may',
  revoke: 'take back what they or those below them handed on',
  rotate: 'replace the owners',
  logout: 'end sign-ins',
  vote: 'vote',
  seal: 'confirm what is known',
  call: 'call functions',
  replicate: 'hold copies of what is not public',
}

function sentence(act: Act): string {
  switch (act.verb) {
    case 'put':
      return putWords(act.path, act.value)
    case 'grant':
      return grantWords(act)
    case 'revoke': {
      const role = act.from?.as === undefined ? '' : ` the role ${quoted(act.from.as)}`
      if (!act.from) return `Take back the grant ${act.grant}, and everything that hangs on it.`
      return `Take back from ${principalWords(act.from.to)}${role} what the grant ${act.grant} gave, and everything that hangs on it.`
    }
    case 'rotate':
      return `Hand this core over: from now on it is owned by ${principalWords(act.root)}, and by nobody else.`
    case 'logout':
      return `End the sign-in ${act.login}.`
    case 'vote':
      if (act.what === undefined) {
        throw new WordsError(
          'the vote does not carry the words it is on; sign it as typed data, or put the words into it',
        )
      }
      return `${decisionWord(act.approve)} until ${dateWords(act.expires)} the request ${act.proposal}: ${act.what}`
    case 'seal':
      return act.state === undefined
        ? 'Confirm that everything known of this core up to now was there.'
        : `Confirm that everything known of this core up to now adds up to the state ${act.state}.`
    case 'claim':
      return `Claim the core of ${act.of} as its heir. It opens to me ${days(act.wait)} after my first claim, unless that is refused before.`
  }
}

function days(ms: number): string {
  return `${Math.floor(ms / DAY_MS)} days (${ms} ms)`
}

function bounded(words: string): string {
  const bytes = utf8Length(words)
  if (bytes <= WORDS_BYTES_MAX) return words
  throw new WordsError(
    `in words, the act has ${bytes} bytes, over the limit of ${WORDS_BYTES_MAX}; split it into several`,
  )
}

function grantWords(act: Extract<Act, { verb: 'grant' }>): string {
  const role = act.as === undefined ? 'these rights' : `the role ${quoted(act.as)}`
  const wait =
    act.wait === undefined ? '' : ` It counts only after a wait of ${days(act.wait)} in which it can be taken back.`
  return `Give ${principalWords(act.to)} ${role}: ${act.can.map(abilityWords).join('; ')}.${wait}`
}

function principalWords(principal: Principal): string {
  if (typeof principal === 'string') return principal
  return `any ${principal.m} of these ${principal.of.length} together (${principal.of.join(', ')})`
}

function putWords(path: string, value: Value): string {
  const at = quoted(path)
  if (value === null) return `Clear ${at}: nothing is there any more.`
  const entry = path.startsWith('content/') || path === 'content' ? readContentEntry(value) : undefined
  return entry ? publishWords(at, entry) : `Set ${at} to ${valueWords(value)}.`
}

const SEEN_BY = { public: 'everybody', members: 'the members of this core', private: 'its owners alone' }

function publishWords(at: string, entry: ContentEntry): string {
  const { cid, size, mediaType, visibility, partial, encryption, metadata } = entry
  const parts = [
    `Publish at ${at} the content ${cid} (${size} bytes, ${quoted(mediaType)}), visible to ${SEEN_BY[visibility]}`,
  ]
  if (partial) parts.push(', though parts of it may be missing')
  if (encryption) parts.push(`, encrypted with ${valueWords(encryption)}`)
  if (metadata) parts.push(`, with the notes ${valueWords(metadata)}`)
  return `${parts.join('')}.`
}

/** A value: as it is where it is short, else by its size and hash. */
function valueWords(value: Value): string {
  const written = write(value)
  if (written !== undefined) return written
  const bytes = encode(value)
  return `a value of ${bytes.length} bytes with the CID ${idOf(bytes)}`
}

/** A value as text, unless that is too long to be read. */
function write(value: Value): string | undefined {
  const out = writeAny(value)
  return out !== undefined && utf8Length(out) <= WORDS_VALUE_BYTES_MAX ? out : undefined
}

function writeAny(value: Value): string | undefined {
  if (value === null || typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : floatWords(value)
  if (value instanceof Float) return floatWords(value.value)
  if (typeof value === 'string') return utf8Length(value) <= WORDS_VALUE_BYTES_MAX ? quoted(value) : undefined
  if (value instanceof Uint8Array) return value.length <= WORDS_VALUE_BYTES_MAX ? `0x${toHex(value)}` : undefined
  if (Array.isArray(value)) return joined('[', value.map(write), ']')
  const cid = CID.asCID(value)
  if (cid) return cid.toString()
  const map = value as ValueMap
  const fields = Object.keys(map).sort(compareText)
  const written = fields.map((name) => {
    const field = write(map[name] as Value)
    return field === undefined ? undefined : `${quoted(name)}: ${field}`
  })
  return joined('{', written, '}')
}

function joined(open: string, parts: (string | undefined)[], close: string): string | undefined {
  return parts.every((part) => part !== undefined) ? `${open}${parts.join(', ')}${close}` : undefined
}

/** A float as Rust prints it for debugging: the shortest decimal that reads back, with a point or an exponent. */
function floatWords(value: number): string {
  if (value === 0) return '0.0'
  const magnitude = Math.abs(value)
  const [digits, exponent] = value.toExponential().split('e') as [string, string]
  if (magnitude >= 1e16 || magnitude < 1e-4) return `${digits}e${Number(exponent)}`
  const plain = decimal(digits, Number(exponent))
  return plain.includes('.') ? plain : `${plain}.0`
}

/** Digits and an exponent as a decimal. */
function decimal(mantissa: string, exponent: number): string {
  const sign = mantissa.startsWith('-') ? '-' : ''
  const digits = mantissa.replace(/[-.]/g, '')
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  const rest = digits.slice(exponent + 1)
  return `${sign}${whole}${rest && `.${rest}`}`
}
