import { hashTypedData } from 'viem'
import { expect, test } from 'vitest'
import { abilityText } from '../../src/core/ability.js'
import { didOf } from '../../src/core/account.js'
import { decodeBody, encodeBody } from '../../src/core/body.js'
import { decode, encode, type Value, type ValueMap } from '../../src/core/dag-cbor.js'
import { DecodeError } from '../../src/core/errors.js'
import { coreIdOf, decodeGenesis, encodeGenesis } from '../../src/core/genesis.js'
import { verifyEntry } from '../../src/core/log/entry.js'
import { checkLogin, decodeLogin, encodeLogin, factsOf, type LoginFacts } from '../../src/core/login.js'
import { decodeSigned, encodeSigned, opIdOf, proposalOf } from '../../src/core/op.js'
import { signingText } from '../../src/core/signature.js'
import { typedDataDigest, typedDataOf } from '../../src/core/typed-data.js'
import { WordsError, wordsOf, wordsOfProposal } from '../../src/core/words.js'
import { base64, vectors } from '../vectors.js'

interface SignedCase {
  id: string
  proposal: string
  signed: string
  body: string
  login: string | null
  words: string | null
  proposal_words: string | null
  text: string | null
}

interface Facts {
  id: string
  account: string
  abilities: string[]
  issued_ms: number
  from_ms: number
  expires_ms: number
  heads: string[]
}

const written = vectors<{
  genesis: [id: string, block: string][]
  logins: { block: string; session: string; facts: Facts }[]
  signed: SignedCase[]
}>('core-log.json')

const orNull = <T>(make: () => T): T | null => {
  try {
    return make()
  } catch (error) {
    expect(error).toBeInstanceOf(WordsError)
    return null
  }
}

test('genesis blocks have the same ids and bytes', () => {
  expect(written.genesis).toHaveLength(4)
  for (const [id, block] of written.genesis) {
    const genesis = decodeGenesis(base64(block))
    expect(coreIdOf(genesis)).toBe(id)
    expect(encodeGenesis(genesis)).toEqual(base64(block))
  }
})

test('a login says the same', () => {
  for (const { block, session, facts } of written.logins) {
    const login = decodeLogin(base64(block))
    expect(encodeLogin(login)).toEqual(base64(block))
    const checked = checkLogin(login)
    expect(checked.verdict).toBe('valid')
    expect(didOf(checked.login.session)).toBe(session)
    const [core] = [...checked.login.abilities.keys()]
    const read: LoginFacts = factsOf(checked.login, core as NonNullable<typeof core>)
    expect(read).toEqual({
      id: facts.id,
      account: facts.account,
      abilities: read.abilities,
      issuedMs: facts.issued_ms,
      fromMs: facts.from_ms,
      expiresMs: facts.expires_ms,
      heads: facts.heads,
    })
    expect(read.abilities.map(abilityText)).toEqual(facts.abilities)
  }
})

test('operations have the same ids, words and texts, and their signatures are good', () => {
  expect(written.signed.length).toBeGreaterThan(30)
  for (const one of written.signed) {
    const [signed, body] = [decodeSigned(base64(one.signed)), decodeBody(base64(one.body))]
    expect(encodeSigned(signed)).toEqual(base64(one.signed))
    expect(encodeBody(body)).toEqual(base64(one.body))
    expect(opIdOf(signed.header)).toBe(one.id)
    expect(proposalOf(signed.header)).toBe(one.proposal)
    expect(orNull(() => wordsOf(body.act))).toBe(one.words)
    expect(orNull(() => wordsOfProposal(signed.header.by, body))).toBe(one.proposal_words)
    expect(orNull(() => signingText(signed.header, body))).toBe(one.text)
    const login = one.login === null ? undefined : decodeLogin(base64(one.login))
    expect(verifyEntry(signed, body, login).verdict).toBe('valid')
    if (signed.scheme === 'eip712') {
      const typed = typedDataOf(signed.header, body)
      expect(hashTypedData(typed)).toBe(`0x${Buffer.from(typedDataDigest(signed.header, body)).toString('hex')}`)
    }
  }
})

test('a changed byte is refused', () => {
  for (const one of [written.signed[0], written.signed.at(-1), written.signed.find(({ login }) => login !== null)]) {
    if (!one) throw new Error('there are operations')
    const [block, body] = [base64(one.signed), decodeBody(base64(one.body))]
    const login = one.login === null ? undefined : decodeLogin(base64(one.login))
    for (let at = 0; at < block.length; at += 3) {
      const changed = block.slice()
      changed[at] = (changed[at] as number) ^ 0x10
      expect(() => verifyEntry(decodeSigned(changed), body, login), `byte ${at}`).toThrow()
    }
  }
})

test('blocks of another shape are refused', () => {
  const signed = decode(base64((written.signed[0] as SignedCase).signed)) as ValueMap
  const header = signed['header'] as ValueMap
  const wrong: Record<string, Value> = {
    version: { ...header, v: 2 },
    'an unknown field': { ...header, x: 1 },
    'no votes, written down': { ...header, votes: [] },
    'a login of null': { ...header, login: null },
    'another verb': { ...header, verb: 'burn' },
    'a link that is no id': { ...header, body: header['at'] as Value },
    'an account in capitals': { ...header, by: String(header['by']).toUpperCase().replace('0X', '0x') },
    'a date below zero': { ...header, at: -1 },
    'prev twice': { ...header, prev: [header['core'] as Value, header['core'] as Value] },
  }
  for (const [why, changed] of Object.entries(wrong)) {
    expect(() => decodeSigned(encode({ ...signed, header: changed })), why).toThrow(DecodeError)
  }
  const acts: Record<string, Value> = {
    'no ability': { grant: { to: header['by'] as Value, can: [] } },
    'two acts': { seal: {}, put: { path: 'content/a', value: 1 } },
    'a path that leads out': { put: { path: 'content/../a', value: 1 } },
    'abilities out of order': {
      grant: { to: header['by'] as Value, can: ['put', 'read'].map((verb) => ({ verb, paths: '**' })) },
    },
    'a threshold of none': { rotate: { root: { m: 0, of: [header['by'] as Value] } } },
    'words that are not those of the hash': {
      vote: { proposal: header['body'] as Value, approve: true, shown: new Uint8Array(32), what: 'x', expires: 1 },
    },
  }
  for (const [why, act] of Object.entries(acts)) {
    expect(() => decodeBody(encode({ salt: new Uint8Array(16), act })), why).toThrow(DecodeError)
  }
  expect(() => decodeBody(new Uint8Array(65 * 1024)), 'too large').toThrow(/over the limit/)
})
