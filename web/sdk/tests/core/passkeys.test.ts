import { p256 } from '@noble/curves/nist.js'
import { expect, test } from 'vitest'
import type { Account } from '../../src/core/account.js'
import { fromHex } from '../../src/core/bytes.js'
import { encode } from '../../src/core/dag-cbor.js'
import { SignatureError } from '../../src/core/errors.js'
import { coreIdOf, decodeGenesis, encodeGenesis } from '../../src/core/genesis.js'
import { verifyAssertion } from '../../src/core/signature.js'
import { vectors } from '../vectors.js'

interface Case {
  name: string
  key: Account
  challenge: string
  authenticatorData: string
  clientDataJSON: string
  signature: string
  highS: boolean
  refused?: 'unverified' | 'cross-origin' | null
}

const bytes = (hex: string) => fromHex(hex) as Uint8Array
const { cases } = vectors<{ cases: Case[] }>('webauthn.json')

/** What stands as the signature: `s` is the lower of the two. */
function assertionOf({ authenticatorData, clientDataJSON, signature }: Case) {
  const { r, s } = p256.Signature.fromBytes(bytes(signature), 'der')
  const order = p256.Point.Fn.ORDER
  const low = new p256.Signature(r, s > order / 2n ? order - s : s)
  return { auth: bytes(authenticatorData), client: clientDataJSON, sig: low.toBytes() }
}

test('the vectors of the W3C', () => {
  expect(cases).toHaveLength(10)
  for (const one of cases) {
    const check = () => verifyAssertion(one.key, bytes(one.challenge), encode(assertionOf(one)))
    if (!one.refused) expect(check, one.name).not.toThrow()
    if (one.refused === 'unverified') expect(check, one.name).toThrow(/did not verify/)
    if (one.refused === 'cross-origin') expect(check, one.name).toThrow(/across origins/)
  }
  expect(cases.filter(({ refused }) => !refused)).toHaveLength(3)
})

test('a changed byte is refused', () => {
  const one = cases.find(({ refused }) => !refused) as Case
  const good = assertionOf(one)
  const flipped = (from: Uint8Array, at: number) => from.map((byte, i) => (i === at ? byte ^ 1 : byte))
  const check = (assertion: typeof good, challenge = bytes(one.challenge)) =>
    verifyAssertion(one.key, challenge, encode(assertion))
  for (let at = 0; at < good.auth.length; at++) {
    expect(() => check({ ...good, auth: flipped(good.auth, at) }), `authenticator data at ${at}`).toThrow(
      SignatureError,
    )
  }
  for (let at = 0; at < good.client.length; at++) {
    const client =
      good.client.slice(0, at) + String.fromCharCode(good.client.charCodeAt(at) ^ 1) + good.client.slice(at + 1)
    expect(() => check({ ...good, client }), `client data at ${at}`).toThrow(SignatureError)
  }
  for (let at = 0; at < 64; at++) {
    expect(() => check({ ...good, sig: flipped(good.sig, at) }), `signature at ${at}`).toThrow(SignatureError)
  }
  expect(() => check(good, flipped(bytes(one.challenge), 3))).toThrow(/another challenge/)
})

test('passkeys alone own no shared core', () => {
  const [key] = cases as [Case]
  const shared = (root: Parameters<typeof encodeGenesis>[0]['root']) =>
    encodeGenesis({ kind: 'shared', root, name: 'acme', nonce: new Uint8Array(16) })
  expect(() => decodeGenesis(shared(key.key))).toThrow(/passkeys alone/)
  const wallet = '0x0101010101010101010101010101010101010101' as Account
  const both = decodeGenesis(shared({ m: 2, of: [wallet, key.key] }))
  expect(coreIdOf(both)).toMatch(/^bafyrei/)
  expect(() => decodeGenesis(shared({ m: 1, of: [wallet, key.key] }))).toThrow(/passkeys alone/)
})
