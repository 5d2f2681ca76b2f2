import 'fake-indexeddb/auto'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Client } from '../../src/api/client.js'
import {
  AccountSwitchedError,
  ForeignMessageError,
  NetworkError,
  ProblemError,
  SessionExpiredError,
  SignatureRejectedError,
} from '../../src/errors.js'
import { Core } from '../../src/local/core.js'
import { indexedDbStorage, memoryStorage } from '../../src/local/storage.js'
import { Session } from '../../src/session/session.js'
import { type Eip1193Provider, keySigner, walletSigner } from '../../src/session/signer.js'
import { newSecret, start, type TestNode } from './start.js'

let node: TestNode
let client: Client
beforeAll(async () => {
  node = await start()
  client = new Client(node.url)
})
afterAll(() => node.stop())

/** A wallet of viem's keys that speaks EIP-1193, and what it was asked. */
function wallet(...secrets: string[]) {
  const accounts = secrets.map((secret) => privateKeyToAccount(secret as `0x${string}`))
  const asked: string[] = []
  const state = { at: 0, rejects: false }
  const provider: Eip1193Provider = {
    async request({ method, params }) {
      asked.push(method)
      const account = accounts[state.at] as (typeof accounts)[number]
      if (method !== 'personal_sign') return [account.address]
      if (state.rejects) throw Object.assign(new Error('User rejected the request.'), { code: 4001 })
      return account.signMessage({ message: { raw: params?.[0] as `0x${string}` } })
    },
  }
  return { provider, asked, state, accounts }
}

describe('signing in', () => {
  test('asks a wallet once, and the session writes with a key that cannot be read out', async () => {
    const { provider, asked, accounts } = wallet(newSecret())
    const session = await Session.signIn(client, await walletSigner(provider))
    expect(session.account).toBe(accounts[0]?.address.toLowerCase())
    expect(asked.filter((method) => method === 'personal_sign')).toHaveLength(1)
    const { sessions } = await session.client.call('get', '/-/session')
    expect(sessions).toMatchObject([{ id: session.id, held_by_node: false, current: true }])
    expect(session.expires.getTime()).toBeGreaterThan(Date.now() + 6 * 86_400_000)
  })

  test('works with a private key, and hands on no more than was asked for', async () => {
    const session = await Session.signIn(client, keySigner(newSecret()), { abilities: ['put content/site/**'] })
    expect(session.abilities(session.core)).toEqual([{ verb: 'put', paths: 'content/site/**' }])
  })

  test('works where the browser has no Ed25519', async () => {
    const generate = crypto.subtle.generateKey.bind(crypto.subtle)
    const spy = vi
      .spyOn(crypto.subtle, 'generateKey')
      .mockImplementation(((algorithm: Algorithm, ...rest: [boolean, KeyUsage[]]) =>
        algorithm.name === 'Ed25519' ? Promise.reject(new Error('not here')) : generate(algorithm, ...rest)) as never)
    const session = await Session.signIn(client, keySigner(newSecret())).finally(() => spy.mockRestore())
    // Signatures have a low `s` or are refused: enough of them to meet both.
    const core = await Core.open(session)
    for (let n = 0; n < 8; n++) await core.put('profile/name', `${n}`)
    expect(await core.sync()).toMatchObject({ sent: 8, refused: [] })
  })

  test('is kept in IndexedDB over a reload', async () => {
    const session = await Session.signIn(client, keySigner(newSecret()), { storage: indexedDbStorage('reload') })
    const restored = await Session.restore(client, indexedDbStorage('reload'))
    expect(restored?.id).toBe(session.id)
    await restored?.signOut()
    expect(await Session.restore(client, indexedDbStorage('reload'))).toBeUndefined()
    await expect(session.client.call('get', '/-/session')).rejects.toThrow(SessionExpiredError)
  })

  test('is kept where keys are not, as PKCS #8', async () => {
    const storage = { ...memoryStorage(), keepsKeys: false }
    const session = await Session.signIn(client, keySigner(newSecret()), { storage })
    expect((await Session.restore(client, storage))?.id).toBe(session.id)
  })
})

describe('what can go wrong', () => {
  test('a signature that was declined', async () => {
    const { provider, state } = wallet(newSecret())
    const signer = await walletSigner(provider)
    state.rejects = true
    const error = await Session.signIn(client, signer).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(SignatureRejectedError)
    expect(String(error)).toContain('You declined the signature')
    state.rejects = false
    expect((await Session.signIn(client, signer)).account).toBe(signer.account)
  })

  test('a wallet that is at another account', async () => {
    const { provider, state } = wallet(newSecret(), newSecret())
    const signer = await walletSigner(provider)
    state.at = 1
    await expect(Session.signIn(client, signer)).rejects.toThrow(AccountSwitchedError)
  })

  test('a wallet that is switched while it asks', async () => {
    const [first, second] = [wallet(newSecret()), wallet(newSecret())]
    const provider: Eip1193Provider = {
      request: (args) => (args.method === 'personal_sign' ? second : first).provider.request(args),
    }
    const error = await Session.signIn(client, await walletSigner(provider)).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(AccountSwitchedError)
    expect(String(error)).toContain('Switch back in the wallet')
  })

  test('a session that has ended', async () => {
    const session = await Session.signIn(client, keySigner(newSecret()))
    await session.signOut()
    const error = await session.client.call('get', '/-/session').catch((error: unknown) => error)
    expect(error).toBeInstanceOf(SessionExpiredError)
    expect(String(error)).toContain('Sign in again')
  })

  test('a node that asks to sign something else', async () => {
    const signer = keySigner(newSecret())
    const asked: string[] = []
    const sign = (text: string) => {
      asked.push(text)
      return signer.sign(text)
    }
    const watched = { ...signer, sign }
    const liar = new Client(node.url, {
      fetch: async (input, init) => {
        const response = await fetch(input, init)
        if (!String(input).endsWith('/challenge')) return response
        const challenge = await response.json()
        return Response.json({ ...challenge, message: challenge.message.replace(/^\S+/, 'elsewhere.example') })
      },
    })
    await expect(Session.signIn(liar, watched)).rejects.toThrow(ForeignMessageError)
    expect(asked).toEqual([])
  })

  test('a node that is not there, and one that refuses', async () => {
    await expect(new Client('http://127.0.0.1:9').call('get', '/-/node')).rejects.toThrow(NetworkError)
    const error = await client.call('get', '/@{core}', { path: { core: '0x0' } }).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(ProblemError)
    expect(error).toMatchObject({ code: 'not-found', status: 404, instance: expect.any(String) })
  })
})
