import { expect, test } from 'vitest'
import { checksummed, kindOf, parseAccount, parseAddress, parseDid } from '../../src/core/account.js'
import { bytesOf, fromHex, toHex } from '../../src/core/bytes.js'
import { LoginError } from '../../src/core/errors.js'
import { parseRecap } from '../../src/core/recap.js'
import { verify } from '../../src/core/signature.js'
import { accountOfMessage, parseMessage } from '../../src/core/siwe.js'
import { vectors } from '../vectors.js'

interface Taken {
  fields: { address: string; domain: string; uri: string; resources?: string[]; statement?: string }
  message: string
  signature: string
}

test.each([
  ['siwe/taken.json', 'eip191', 20],
  ['siwe/solana.json', 'ed25519', 5],
] as const)('messages of another implementation are taken: %s', (file, scheme, count) => {
  const cases = Object.entries(vectors<{ cases: Record<string, Taken> }>(file).cases)
  expect(cases).toHaveLength(count)
  for (const [name, { fields, message, signature }] of cases) {
    const read = parseMessage(message)
    expect(read.statement, name).toBe(fields.statement)
    expect(read.uri, name).toBe(fields.uri)
    expect(read.resources, name).toEqual(fields.resources ?? [])
    const account = accountOfMessage(read, scheme)
    expect(account, name).toBeDefined()
    if (!account) continue
    const good = fromHex(signature) as Uint8Array
    expect(verify(account, scheme, bytesOf(message), good), name).toBe('valid')
    expect(() => verify(account, scheme, bytesOf(`${message} `), good), name).toThrow()
  }
})

test('broken messages are refused', () => {
  const cases = Object.entries(vectors<{ cases: Record<string, string> }>('siwe/refused.json').cases)
  expect(cases.length).toBeGreaterThanOrEqual(70)
  for (const [name, message] of cases) expect(() => parseMessage(message), name).toThrow(LoginError)
})

test('ReCaps of another implementation read back', () => {
  const cases = Object.entries(
    vectors<{ cases: Record<string, { statement: string; resource: string }> }>('siwe/recap.json').cases,
  )
  expect(cases).toHaveLength(5)
  for (const [name, { statement, resource }] of cases)
    expect(statement.endsWith(parseRecap(resource).statement), name).toBe(true)
})

test('addresses of EIP-55', () => {
  for (const address of vectors<{ cases: string[] }>('eip55.json').cases) {
    expect(checksummed(parseAddress(address))).toBe(address)
    expect(parseAccount(address)).toBe(address.toLowerCase())
  }
  expect(() => parseAccount('0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed')).toThrow(/checksum/)
})

test('keys of the did:key specification', () => {
  const keys = vectors<{ ed25519: { did: string }[]; p256: string[]; refused: Record<string, string> }>('did-key.json')
  for (const { did } of keys.ed25519) expect(parseDid(did).curve).toBe('ed25519')
  for (const did of keys.p256) {
    expect(parseDid(did).curve).toBe('p256')
    expect(parseAccount(did)).toBe(did)
  }
  for (const [why, did] of Object.entries(keys.refused)) expect(() => parseDid(did), why).toThrow()
})

test('what no account is says how one is written', () => {
  expect(() => parseAccount('ann')).toThrow(/write `0x…`/)
  const contract = kindOf('eip155:8453:0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2')
  expect(contract.kind === 'contract' && [contract.chain, toHex(contract.address).length]).toEqual([8453n, 40])
  for (const chain of ['0', '01', '-1', '18446744073709551616']) {
    expect(() => parseAccount(`eip155:${chain}:0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2`), chain).toThrow()
  }
})
