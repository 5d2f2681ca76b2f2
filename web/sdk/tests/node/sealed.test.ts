import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, generalDecrypt, generateKeyPair } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startNode } from '../../../../conformance/node.mjs'
import { coreIdOf } from '../../src/core/genesis.js'
import { memoryStorage } from '../../src/local/storage.js'
import { createDeviceKey, deviceKeys, publishedKeys, withdrawDeviceKey } from '../../src/sealed/device-key.js'
import { bindList } from '../../src/sealed/encryption.js'
import { recipientsIn } from '../../src/sealed/public-key.js'
import {
  addGrant,
  openSealedBytes,
  openSealedRange,
  refreshGrants,
  removeGrant,
  seal,
  sealedAt,
  sealedIn,
} from '../../src/sealed/sealed.js'
import { otherDevice, type Person, someone } from './people.js'

/** A node, with somebody who uses the command line there. */
type CliNode = Awaited<ReturnType<typeof startNode>> & { core: string; account: string }

let node: CliNode
let key: string[]
beforeAll(async () => {
  node = (await startNode()) as CliNode
  key = ['--passphrase-file', join(node.dir, 'passphrase')]
  await node.run(['key', 'new', 'laptop', ...key])
})
afterAll(() => node.stop())

/** Somebody with a device key. */
async function withKey(device = 'browser', storage = memoryStorage()) {
  const person = await someone(node, storage)
  await createDeviceKey(person.core, person.signer, device)
  await person.core.sync()
  return { ...person, keys: await deviceKeys(storage) }
}

function film(bytes: number): Uint8Array {
  return new Uint8Array(bytes).map((_, i) => (i * 104_729) >> 7)
}

/** The private core of whoever uses the command line. */
function cliCore({ session }: Person) {
  return { session, id: coreIdOf({ kind: 'private', root: node.account as never }) }
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

describe('keys of devices', () => {
  test('are published by the account itself, and found by others', async () => {
    const ann = await withKey()
    const [key] = ann.keys
    expect(key?.privateKey).toMatchObject({ extractable: false })
    const bob = await someone(node)
    expect(await publishedKeys(bob.session, ann.account)).toMatchObject([{ who: ann.account, label: 'browser' }])
    // The same again changes nothing; another device may not take its name.
    await createDeviceKey(ann.core, ann.signer, 'browser')
    expect(ann.core.unsent).toBe(0)
    const phone = await otherDevice(node, ann)
    await phone.core.sync()
    await expect(createDeviceKey(phone.core, phone.signer, 'browser')).rejects.toMatchObject({ code: 'name-taken' })
    await expect(createDeviceKey(phone.core, phone.signer, 'My phone')).rejects.toMatchObject({ code: 'bad-name' })
    await expect(publishedKeys(bob.session, bob.account)).rejects.toMatchObject({ code: 'no-device-key' })
    await withdrawDeviceKey(ann.core, 'browser')
    await ann.core.sync()
    await expect(publishedKeys(bob.session, ann.account)).rejects.toMatchObject({ code: 'no-device-key' })
  })

  test('that a session put there are not believed', async () => {
    const ann = await someone(node)
    await ann.core.put('keys/evil', { x25519: new Uint8Array(32).fill(9) })
    await ann.core.sync()
    await expect(publishedKeys(ann.session, ann.account)).rejects.toMatchObject({ code: 'no-device-key' })
  })

  test('are kept where keys are not, as PKCS #8', async () => {
    const ann = await withKey('files', { ...memoryStorage(), keepsKeys: false })
    await seal(ann.core, 'a.txt', 'hi', { to: [] })
    expect(new TextDecoder().decode(await openSealedBytes(sealedIn(ann.core, 'a.txt'), ann.keys))).toBe('hi')
  })

  test('of the command line are found, and its owner is sealed to', async () => {
    const ann = await someone(node)
    expect(await publishedKeys(ann.session, node.account)).toMatchObject([{ label: 'laptop' }])
  })
})

describe('sealed here', () => {
  test('is opened by the command line, whole and in part, and by the sealer, offline', async () => {
    const ann = await withKey()
    const data = film(300_000)
    ann.state.up = true
    const { cid } = await seal(ann.core, 'box/film.mp4', data, { to: [node.account], visibility: 'public', keep: true })
    await ann.core.sync()
    const opened = await node.run(['open', `@${ann.account}/box/film.mp4`, '-o', '-', ...key])
    expect(Buffer.compare(opened, data)).toBe(0)
    const range = ['--range', '65530-131080', '-o', '-']
    expect(
      Buffer.compare(
        await node.run(['open', `@${ann.account}/box/film.mp4`, ...range, ...key]),
        data.subarray(65_530, 131_081),
      ),
    ).toBe(0)
    // Everybody has the ciphertext, and no word of the film.
    const stored = Buffer.from(await (await fetch(`${node.url}/ipfs/${cid}`)).arrayBuffer())
    expect(stored.subarray(0, 8).toString()).toBe('kbsealed')
    expect(stored.includes(Buffer.from(data.subarray(0, 64)))).toBe(false)
    ann.state.up = false
    expect(Buffer.compare(await openSealedBytes(sealedIn(ann.core, 'box/film.mp4'), ann.keys), data)).toBe(0)
  })

  test('for a set of keys is a JWE, which the command line, `jose` and the sealer open', async () => {
    const ann = await withKey()
    const { publicKey, privateKey } = await generateKeyPair('ECDH-ES+A256KW', { crv: 'P-256', extractable: true })
    const set = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'books', use: 'enc' }] })
    const to = [node.account, ...recipientsIn(set, 'file:books.json')]
    const { cid } = await seal(ann.core, 'bank/iban', 'DE89', { to, visibility: 'public' })
    await ann.core.sync()
    expect(ann.core.content.at('bank/iban')).toMatchObject({
      mediaType: 'application/jose+json',
      encryption: { form: 'jwe' },
    })
    const message = await (await fetch(`${node.url}/ipfs/${cid}`)).json()
    expect(new TextDecoder().decode((await generalDecrypt(message, privateKey)).plaintext)).toBe('DE89')
    expect(String(await node.run(['open', `@${ann.account}/bank/iban`, '-o', '-', ...key]))).toBe('DE89')
    expect(new TextDecoder().decode(await openSealedBytes(sealedIn(ann.core, 'bank/iban'), ann.keys))).toBe('DE89')
  })

  test('goes nowhere where nobody could open it', async () => {
    const ann = await someone(node)
    await expect(seal(ann.core, 'a', 'a', { to: [] })).rejects.toMatchObject({ code: 'no-recipients' })
    await expect(seal(ann.core, 'a', 'a', { to: [ann.account] })).rejects.toMatchObject({ code: 'no-device-key' })
    expect(ann.core.content.list()).toEqual([])
  })
})

describe('sealed by the command line', () => {
  test('is opened here, whole and in part', async () => {
    const ann = await withKey()
    const data = film(200_001)
    writeFileSync(join(node.dir, 'film.mp4'), data)
    await node.run(['seal', 'film.mp4', '--to', ann.account, '--as', '@me/box/film.mp4', '--public'])
    const file = await sealedAt(cliCore(ann), 'box/film.mp4')
    expect(Buffer.compare(await openSealedBytes(file, ann.keys), data)).toBe(0)
    const part = await collect(openSealedRange(file, ann.keys, 65_000, 140_000))
    expect(Buffer.compare(part, data.subarray(65_000, 140_000))).toBe(0)
    await expect(collect(openSealedRange(file, ann.keys, 200_001, 200_002))).rejects.toMatchObject({
      code: 'bad-range',
    })
    await expect(openSealedBytes(file, [])).rejects.toMatchObject({
      code: 'not-for-us',
      hint: expect.stringContaining('refresh'),
    })
  })

  test('as a JWE is opened here', async () => {
    const ann = await withKey()
    writeFileSync(join(node.dir, 'iban.txt'), 'DE89')
    await node.run(['seal', 'iban.txt', '--to', ann.account, '--as', '@me/bank/iban', '--jwe', '--public'])
    const file = await sealedAt(cliCore(ann), 'bank/iban')
    expect(new TextDecoder().decode(await openSealedBytes(file, ann.keys))).toBe('DE89')
  })
})

describe('grants', () => {
  test.each(['chunks', 'jwe'] as const)('are added and taken back, and the command line agrees: %s', async (form) => {
    const ann = await withKey()
    const path = `box/${form}.txt`
    const target = `@${ann.account}/${path}`
    const open = () => node.run(['open', target, '-o', '-', ...key]).then(String)
    const first = await seal(ann.core, path, 'a secret', { to: [], form, visibility: 'public' })
    await ann.core.sync()
    await expect(open()).rejects.toThrow(/none of which is on this machine/)
    const added = await addGrant(ann.core, path, ann.keys, [node.account])
    await ann.core.sync()
    // In chunks no byte of the file changes.
    expect(added.cid.toString() === first.cid.toString()).toBe(form === 'chunks')
    expect(await open()).toBe('a secret')
    await expect(addGrant(ann.core, path, ann.keys, [node.account])).rejects.toMatchObject({ code: 'known' })
    const anew = await removeGrant(ann.core, path, ann.keys, [node.account])
    await ann.core.sync()
    expect(anew.cid.toString()).not.toBe(added.cid.toString())
    await expect(open()).rejects.toThrow(/none of which is on this machine/)
    expect((await fetch(`${node.url}/ipfs/${added.cid}`)).status).toBe(404)
    await expect(removeGrant(ann.core, path, ann.keys, [node.account])).rejects.toMatchObject({ code: 'no-grant' })
    await expect(removeGrant(ann.core, path, ann.keys, [ann.account])).rejects.toMatchObject({ code: 'no-recipients' })
    expect(new TextDecoder().decode(await openSealedBytes(sealedIn(ann.core, path), ann.keys))).toBe('a secret')
  })

  test('follow devices: new ones are added, lost ones taken away', async () => {
    const ann = await withKey('laptop')
    const phone = await otherDevice(node, ann)
    await phone.core.sync()
    await seal(ann.core, 'a.txt', 'a secret', { to: [], visibility: 'public' })
    await ann.core.sync()
    await phone.core.sync()
    const keys = [await createDeviceKey(phone.core, phone.signer, 'phone')]
    await phone.core.sync()
    await expect(openSealedBytes(sealedIn(phone.core, 'a.txt'), keys)).rejects.toMatchObject({ code: 'not-for-us' })
    await ann.core.sync()
    const { cid } = sealedCid(ann, await refreshGrants(ann.core, 'a.txt', ann.keys))
    expect(await refreshGrants(ann.core, 'a.txt', ann.keys)).toBeUndefined()
    await ann.core.sync()
    await phone.core.sync()
    expect(String(Buffer.from(await openSealedBytes(sealedIn(phone.core, 'a.txt'), keys)))).toBe('a secret')
    await withdrawDeviceKey(phone.core, 'laptop')
    await phone.core.sync()
    const anew = sealedCid(phone, await refreshGrants(phone.core, 'a.txt', keys))
    expect(anew.cid).not.toBe(cid)
    await phone.core.sync()
    await ann.core.sync()
    await expect(openSealedBytes(sealedIn(ann.core, 'a.txt'), ann.keys)).rejects.toMatchObject({ code: 'not-for-us' })
  })

  test('are not extended where somebody who cannot open it changed the list', async () => {
    const ann = await withKey()
    await seal(ann.core, 'a.txt', 'a secret', { to: [] })
    const entry = ann.core.content.at('a.txt')
    if (!entry?.encryption) throw new Error('it is sealed')
    // As a node with the session's key could: it adds a key of its own, and waits for somebody to seal the file anew.
    const [own] = entry.encryption.to
    const other = { ...own, who: node.account, key: new Uint8Array(32).fill(1) } as typeof own & object
    const forged = bindList(new Uint8Array(32), 'chunks', [...entry.encryption.to, other])
    await ann.core.content.reseal('a.txt', forged)
    for (const change of [
      () => addGrant(ann.core, 'a.txt', ann.keys, [node.account]),
      () => refreshGrants(ann.core, 'a.txt', ann.keys, true),
    ]) {
      await expect(change()).rejects.toMatchObject({ code: 'foreign-list' })
    }
  })
})

function sealedCid(person: Pick<Person, 'core'>, published: { cid: { toString(): string } } | undefined) {
  if (!published) throw new Error('something was to change')
  return { cid: published.cid.toString(), person }
}
