/**
 * What an externally owned account signs as typed data (EIP-712): the domain `{ name: "Kubelt", version: "1" }`, and
 * `Operation` or `Vote` of strings only (crates/kubelt-core/src/typed_data.rs).
 *
 * @module
 */

import { keccak_256 } from '@noble/hashes/sha3.js'
import { bodyIdOf } from './body.js'
import { bytesOf, concat, sameBytes } from './bytes.js'
import { SignatureError } from './errors.js'
import { type Body, type Header, opIdOf, verbOf } from './op.js'
import { dateWords, decisionWord, hashWords, WordsError, wordsOf } from './words.js'

/** The argument of `eth_signTypedData_v4`. */
export interface TypedData {
  readonly types: Record<string, { name: string; type: string }[]>
  readonly primaryType: 'Operation' | 'Vote'
  readonly domain: { name: string; version: string }
  readonly message: Record<string, string>
}

type Members = readonly (readonly [name: string, value: string | Uint8Array])[]

/**
 * The hash that a wallet signs.
 *
 * @throws SignatureError where an operation is not signed as typed data.
 */
export function typedDataDigest(header: Header, body: Body | undefined): Uint8Array {
  const [primary, members] = membersOf(header, body)
  const domain = concat([keccak('EIP712Domain(string name,string version)'), keccak('Kubelt'), keccak('1')])
  const type = `${primary}(${members.map(([name]) => `string ${name}`).join(',')})`
  const values = members.map(([, value]) => (typeof value === 'string' ? keccak(value) : value))
  const message = keccak_256(concat([keccak(type), ...values]))
  return keccak_256(concat([Uint8Array.of(0x19, 0x01), keccak_256(domain), message]))
}

/**
 * The typed data of an operation. For a vote, `what` is the words of the proposal it is on.
 *
 * @throws SignatureError where an operation is not signed as typed data, or a vote is on other words.
 */
export function typedDataOf(header: Header, body: Body, what?: string): TypedData {
  const [primaryType, members] = membersOf(header, body, what)
  const message: Record<string, string> = {}
  for (const [name, value] of members) {
    if (typeof value !== 'string') throw new WordsError('the vote does not carry the words it is on')
    message[name] = value
  }
  const strings = (names: string[]) => names.map((name) => ({ name, type: 'string' }))
  const types = { EIP712Domain: strings(['name', 'version']), [primaryType]: strings(members.map(([name]) => name)) }
  return { types, primaryType, domain: { name: 'Kubelt', version: '1' }, message }
}

function membersOf(header: Header, body: Body | undefined, what?: string): ['Operation' | 'Vote', Members] {
  if (header.verb === 'put') {
    throw new SignatureError('a `put` is not signed as typed data: sign its text, or let a session sign it')
  }
  if (header.login !== undefined) throw new SignatureError('what a session signs is not typed data')
  if (!body || bodyIdOf(body) !== header.body || verbOf(body.act) !== header.verb) {
    throw new SignatureError('the body is not the one that the header names')
  }
  const { act } = body
  const who: Members = [
    ['by', header.by],
    ['core', header.core],
  ]
  const operation: Members = [['operation', opIdOf(header)]]
  if (act.verb !== 'vote') return ['Operation', [['what', wordsOf(act)], ...who, ...operation]]
  const shown = what ?? act.what
  if (shown !== undefined && !sameBytes(hashWords(shown), act.shown)) {
    throw new SignatureError('these are not the words that the vote is on')
  }
  const vote: Members = [
    ['decision', decisionWord(act.approve)],
    ['what', shown ?? act.shown],
    ['until', dateWords(act.expires)],
  ]
  return ['Vote', [...vote, ...who, ['request', act.proposal], ...operation]]
}

function keccak(text: string): Uint8Array {
  return keccak_256(bytesOf(text))
}
