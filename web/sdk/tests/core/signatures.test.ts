import { p256 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { expect, test } from 'vitest'
import type { PublicKey } from '../../src/core/account.js'
import { fromHex, toHex } from '../../src/core/bytes.js'
import { SignatureError } from '../../src/core/errors.js'
import { addressOf, recoverAddress, verifyKey } from '../../src/core/signature.js'
import { vectors } from '../vectors.js'

interface Case {
  id: number
  comment: string
  key: string
  message: string
  signature: string
  result: 'valid' | 'invalid'
}

const bytes = (hex: string) => fromHex(hex) as Uint8Array
const cases = (name: string) => vectors<{ cases: Case[] }>(`wycheproof/${name}.json`).cases

function isGood(key: PublicKey, { message, signature }: Case): boolean {
  try {
    verifyKey(key, bytes(message), bytes(signature))
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(SignatureError)
    return false
  }
}

test('Wycheproof: Ed25519', () => {
  const taken = cases('ed25519').filter((one) => {
    const good = isGood({ curve: 'ed25519', bytes: bytes(one.key) }, one)
    expect(good, `${one.id}: ${one.comment}`).toBe(one.result === 'valid')
    return good
  })
  expect(taken).toHaveLength(88)
})

test('Wycheproof: P-256, high `s` refused', () => {
  const taken = cases('p256').filter((one) => {
    const good = isGood({ curve: 'p256', bytes: p256.Point.fromBytes(bytes(one.key)).toBytes(true) }, one)
    if (good) expect(one.result, `${one.id}: ${one.comment}`).toBe('valid')
    return good
  })
  expect(taken).toHaveLength(102)
})

test('Wycheproof: secp256k1 by recovery, high `s` refused', () => {
  const taken = cases('secp256k1').filter((one) => {
    const address = toHex(addressOf(secp256k1.Point.fromBytes(bytes(one.key)).toBytes(false)))
    const recovered = [27, 28].map((v) => {
      try {
        return toHex(recoverAddress(sha256(bytes(one.message)), Uint8Array.of(...bytes(one.signature), v)))
      } catch (error) {
        expect(error).toBeInstanceOf(SignatureError)
        return undefined
      }
    })
    const good = recovered.includes(address)
    if (good) expect(one.result, `${one.id}: ${one.comment}`).toBe('valid')
    return good
  })
  expect(taken).toHaveLength(94)
})
