import {
  CompactEncrypt,
  exportJWK,
  FlattenedEncrypt,
  GeneralEncrypt,
  generalDecrypt,
  generateKeyPair,
  importJWK,
} from 'jose'
import { describe, expect, test, vi } from 'vitest'
import { concat, fromHex, toBase64Url, toHex } from '../../src/core/bytes.js'
import type { DeviceKeyPair } from '../../src/sealed/device-key.js'
import { checkList, encryptionValue, readEncryption, type SealedForm } from '../../src/sealed/encryption.js'
import { addRecipient, jweContentKey, openJwe, readJwe, sealJwe } from '../../src/sealed/jwe.js'
import { type PublicJwk, readKeySet, thumbprintOf, x25519Jwk } from '../../src/sealed/public-key.js'
import { hasX25519, sealTo, unwrapKey, wrapKey } from '../../src/sealed/wrap.js'
import { vectors } from '../vectors.js'

const hex = (text: string) => fromHex(text) ?? new Uint8Array(0)
const bytes = (text: string) => new TextEncoder().encode(text)

async function device(): Promise<DeviceKeyPair & { jwk: PublicJwk }> {
  const pair = (await crypto.subtle.generateKey({ name: 'X25519' }, false, ['deriveBits'])) as CryptoKeyPair
  const publicKey = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey))
  return { publicKey, privateKey: pair.privateKey, jwk: x25519Jwk(publicKey) }
}

/** A device of a browser without X25519. */
async function oldDevice(): Promise<DeviceKeyPair & { jwk: PublicJwk }> {
  const { x25519 } = await import('@noble/curves/ed25519.js')
  const { publicKey, secretKey } = x25519.keygen()
  return { publicKey, privateKey: secretKey, jwk: x25519Jwk(publicKey) }
}

interface ListVector {
  content_key: string
  form: SealedForm
  gates?: string[]
  to: { who: string; key: string; label?: string; gate?: string }[]
  mac: string
}

describe('a list', () => {
  const lists = () =>
    vectors<{ lists: ListVector[] }>('sealed/list.json').lists.map(({ content_key, form, gates, to, mac }) => {
      const keyed = to.map((one) => ({ ...one, key: hex(one.key) }))
      return { key: hex(content_key), list: { form, ...(gates && { gates }), to: keyed, mac: hex(mac) } }
    })

  test('is bound as the specification has it, and read as it was written', () => {
    for (const { key, list } of lists()) {
      expect(() => checkList(key, list)).not.toThrow()
      expect(readEncryption(encryptionValue(list))).toEqual(list)
    }
  })

  test('that names another gate is found out', () => {
    const gated = lists().find(({ list }) => list.gates)
    if (!gated) throw new Error('there is one')
    const { key, list } = gated
    const { gates: _, ...bare } = list
    for (const changed of [
      { ...list, gates: ['mine'] },
      { ...list, to: list.to.map((to) => ({ ...to, gate: 'a' })) },
      bare,
    ])
      expect(() => checkList(key, changed)).toThrow('changed by somebody')
    for (const gates of [[], ['b', 'a'], ['a b'], Array.from({ length: 9 }, (_, at) => `g${at}`)])
      expect(readEncryption(encryptionValue({ ...list, to: bare.to.slice(0, 1), gates }))).toBeUndefined()
    expect(readEncryption(encryptionValue(bare))).toBeUndefined()
  })
})

describe('a wrapped key', () => {
  test('is that of RFC 9180', async () => {
    for (const vector of vectors<{ vectors: Record<string, string>[] }>('sealed/hpke.json').vectors) {
      const [info, aad, pt, pk, ikm] = ['info', 'aad', 'pt', 'pkRm', 'ikmE'].map((name) => hex(vector[name] ?? ''))
      const sealed = await sealTo(pk as Uint8Array, info as Uint8Array, aad as Uint8Array, pt as Uint8Array, ikm)
      expect(toHex(sealed)).toBe(`${vector['enc']}${vector['ct']}`)
    }
  })

  test.each([
    ['of WebCrypto', device],
    ['of a browser without X25519', oldDevice],
  ])('opens with its key and file alone: a key %s', async (_name, make) => {
    const [ours, other] = [await make(), await make()]
    const [key, file] = [crypto.getRandomValues(new Uint8Array(32)), bytes('file')]
    const wrap = await wrapKey(key, ours.jwk, file)
    expect(wrap.length).toBe(80)
    expect(await unwrapKey(wrap, ours, file)).toEqual(key)
    const refused = { code: 'wrong-key' }
    await expect(unwrapKey(wrap, other, file)).rejects.toMatchObject(refused)
    await expect(unwrapKey(wrap, ours, bytes('another'))).rejects.toMatchObject(refused)
    for (const at of [0, 31, 32, 79]) {
      const changed = wrap.slice()
      changed[at] = (changed[at] as number) ^ 1
      await expect(unwrapKey(changed, ours, file)).rejects.toMatchObject(refused)
    }
    await expect(unwrapKey(concat([new Uint8Array(32), wrap.subarray(32)]), ours, file)).rejects.toMatchObject(refused)
    await expect(unwrapKey(new Uint8Array(0), ours, file)).rejects.toMatchObject(refused)
  })

  test('is made where the browser has no X25519, too', async () => {
    const ours = await device()
    const generate = crypto.subtle.generateKey.bind(crypto.subtle)
    const spy = vi
      .spyOn(crypto.subtle, 'generateKey')
      .mockImplementation(((algorithm: Algorithm, ...rest: [boolean, KeyUsage[]]) =>
        algorithm.name === 'X25519' ? Promise.reject(new Error('not here')) : generate(algorithm, ...rest)) as never)
    const key = crypto.getRandomValues(new Uint8Array(32))
    expect(await hasX25519()).toBe(false)
    const wrap = await wrapKey(key, ours.jwk, bytes('file')).finally(() => spy.mockRestore())
    expect(await unwrapKey(wrap, ours, bytes('file'))).toEqual(key)
  })
})

describe('a JWE', () => {
  const IBAN = 'DE89 3704 0044 0532 0130 00'
  const KINDS = [
    ['x25519', 'ECDH-ES+A256KW', { crv: 'X25519' }],
    ['p256', 'ECDH-ES+A256KW', { crv: 'P-256' }],
    ['rsa', 'RSA-OAEP-256', { modulusLength: 2048 }],
  ] as const

  test('is opened by npm `jose`, with each kind of key, and by the device', async () => {
    const ours = await device()
    const contentKey = crypto.getRandomValues(new Uint8Array(32))
    const pairs = await Promise.all(
      KINDS.map(([, alg, options]) => generateKeyPair(alg, { ...options, extractable: true })),
    )
    const published = await Promise.all(
      pairs.map(async ({ publicKey }, i) => ({
        ...(await exportJWK(publicKey)),
        kid: KINDS[i]?.[0],
        alg: KINDS[i]?.[1],
      })),
    )
    const set = readKeySet(JSON.stringify({ keys: published }))
    expect(set.keys.map(({ kid }) => kid)).toEqual(['x25519', 'p256', 'rsa'])
    let message = await sealJwe(bytes(IBAN), contentKey)
    for (const { jwk, kid } of set.keys)
      message = await addRecipient(message, contentKey, { who: 'https://a/b', label: kid ?? '', jwk, isForeign: true })
    message = await addRecipient(message, contentKey, { who: '0xaa', label: 'phone', jwk: ours.jwk, isForeign: false })
    for (const { privateKey } of pairs) {
      expect(new TextDecoder().decode((await generalDecrypt(message, privateKey)).plaintext)).toBe(IBAN)
    }
    const file = bytes(JSON.stringify(message))
    expect(new TextDecoder().decode(await openJwe(file, ours))).toBe(IBAN)
    expect(await jweContentKey(message, ours)).toEqual(contentKey)
    expect(message.recipients.at(-1)?.header?.['kid']).toBe(toBase64Url(thumbprintOf(ours.jwk)))
    await expect(openJwe(file, await device())).rejects.toMatchObject({ code: 'not-for-us' })
    for (const part of ['ciphertext', 'iv', 'tag'] as const) {
      const other = { ...message, [part]: (message[part]?.startsWith('A') ? 'B' : 'A') + message[part]?.slice(1) }
      await expect(openJwe(bytes(JSON.stringify(other)), ours), part).rejects.toMatchObject({ code: 'sealed-changed' })
    }
  })

  test('of npm `jose` is opened, of each serialisation', async () => {
    const ours = await device()
    const key = await importJWK({ ...ours.jwk }, 'ECDH-ES+A256KW')
    const header = { alg: 'ECDH-ES+A256KW', enc: 'A256GCM', kid: 'laptop' }
    const other = await generateKeyPair('ECDH-ES+A256KW', { crv: 'X25519' })
    const general = new GeneralEncrypt(bytes(IBAN)).setProtectedHeader({ enc: 'A256GCM' })
    general.addRecipient(other.publicKey).setUnprotectedHeader({ alg: 'ECDH-ES+A256KW' })
    general.addRecipient(key).setUnprotectedHeader({ alg: 'ECDH-ES+A256KW' })
    const messages = [
      await new CompactEncrypt(bytes(IBAN)).setProtectedHeader(header).encrypt(key),
      JSON.stringify(await new FlattenedEncrypt(bytes(IBAN)).setProtectedHeader(header).encrypt(key)),
      JSON.stringify(await general.encrypt()),
    ]
    for (const message of messages) {
      expect(new TextDecoder().decode(await openJwe(bytes(message), ours))).toBe(IBAN)
      expect((await jweContentKey(readJwe(bytes(message)), ours)).length).toBe(32)
    }
  })

  test('that is none, or too large, is refused', async () => {
    const ours = await device()
    for (const text of ['', 'a.b.c', '[1]', '{"recipients": 1}', '{', 'null']) {
      await expect(openJwe(bytes(text), ours), text).rejects.toMatchObject({
        code: expect.stringMatching(/^not-(sealed|for-us)$/),
      })
    }
    await expect(sealJwe(new Uint8Array(16 * 1024 * 1024 + 1), new Uint8Array(32))).rejects.toMatchObject({
      code: 'too-large',
    })
    await expect(openJwe(bytes('{}'), await oldDevice())).rejects.toMatchObject({ code: 'no-x25519' })
  })
})

describe('a set of keys', () => {
  test('is refused, or some of its keys are left out, and it says why', async () => {
    const good = (await device()).jwk
    const set = (...keys: unknown[]) => JSON.stringify({ keys })
    const refused: [string, RegExp][] = [
      ['{', /no JSON/],
      ['{}', /no list/],
      ['{"keys": 1}', /no list/],
      [set(), /it is empty/],
      [set({ ...good, d: 'AA' }), /private parts/],
      [set(good, { kty: 'oct', k: 'AA' }), /private parts/],
      [set(...Array(257).fill(good)), /over 256 keys/],
      [set({ ...good, use: 'sig' }), /not for encryption/],
      [set({ ...good, key_ops: ['sign'] }), /allow no encryption/],
      [set({ ...good, alg: 'RSA-OAEP' }), /ECDH-ES\+A256KW is taken/],
      [set({ ...good, x: toBase64Url(new Uint8Array(32)) }), /small order/],
      [set({ ...good, x: 'AA' }), /32 bytes/],
      [
        set({
          kty: 'EC',
          crv: 'P-256',
          x: good.kty === 'OKP' ? good.x : '',
          y: toBase64Url(new Uint8Array(32).fill(1)),
        }),
        /no point/,
      ],
      [set({ kty: 'EC', crv: 'P-384' }), /of another kind/],
      [set({ kty: 'RSA', n: toBase64Url(new Uint8Array(128).fill(255)), e: 'AQAB' }), /1024 bits/],
      [set({ kty: 'RSA', n: toBase64Url(new Uint8Array(256).fill(255)), e: 'AQ' }), /no RSA key/],
      [' '.repeat(256 * 1024 + 1), /over 256 KiB/],
    ]
    for (const [json, why] of refused) expect(() => readKeySet(json), json.slice(0, 80)).toThrow(why)
    const mixed = readKeySet(
      set({ ...good, kid: 'a' }, { ...good, kid: 'twice' }, 7, { kty: 'OKP', crv: 'Ed25519', kid: 'b' }),
    )
    expect(mixed.keys).toEqual([{ jwk: good, kid: 'a' }])
    expect(mixed.others.map(([name]) => name)).toEqual(['number 3', 'b'])
    // A single key is a set of one.
    expect(readKeySet(JSON.stringify(good)).keys).toHaveLength(1)
    expect(() => x25519Jwk(new Uint8Array(32))).toThrow(/small order/)
  })
})
