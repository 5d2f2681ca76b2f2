import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startNode } from '../../../../conformance/node.mjs'
import { otherDevice } from '../node/people.js'
import { newSecret } from '../node/start.js'
import { TestBrowser, type TestPage } from './page.js'

/** Functions below run in pages: they see what is handed to them, and the package as `sdk`. */
interface Tools {
  /** A wallet that signs for real, and what it was asked. */
  wallet(secret: string): { provider: { request(call: unknown): Promise<unknown> }; asked: string[] }
}
declare const tools: Tools

let node: Awaited<ReturnType<typeof startNode>>
let browser: TestBrowser
/** WebAuthn knows names only. */
let home: string

beforeAll(async () => {
  node = await startNode({ person: false })
  home = `http://localhost:${node.port}`
  browser = await TestBrowser.launch()
})
afterAll(async () => {
  await browser.close()
  await node.stop()
})

async function open(opening = browser.open(home)): Promise<TestPage> {
  const opened = await opening
  const define = () => {
    Object.assign(globalThis, {
      tools: {
        wallet(secret: string) {
          const signer = sdk.keySigner(secret)
          const asked: string[] = []
          const hex = (bytes: Uint8Array) => `0x${Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')}`
          const text = (data: string) =>
            new TextDecoder().decode(Uint8Array.from(data.slice(2).match(/../g) ?? [], (b) => Number.parseInt(b, 16)))
          const request = async ({ method, params }: { method: string; params?: string[] }) => {
            asked.push(method)
            return method === 'personal_sign' ? hex(await signer.sign(text(params?.[0] ?? ''))) : [signer.account]
          }
          return { provider: { request }, asked }
        },
      } satisfies Tools,
    })
  }
  await opened.context.addInitScript(define)
  await opened.page.reload()
  return opened
}

/** Signs in in a page, by its wallet, and keeps the session there. */
async function signIn({ page }: TestPage, secret: string) {
  return page.evaluate(
    async ({ secret, home }) => {
      const { provider, asked } = tools.wallet(secret)
      const storage = sdk.indexedDbStorage()
      const session = await sdk.Session.signIn(new sdk.Client(home), await sdk.walletSigner(provider), { storage })
      return { account: session.account, asked }
    },
    { secret, home },
  )
}

describe('in Chromium', () => {
  test('one prompt opens a session, whose key cannot be read out and is there after a reload', async () => {
    const opened = await open()
    const { account, asked } = await signIn(opened, newSecret())
    expect(asked.filter((method) => method === 'personal_sign')).toHaveLength(1)
    await opened.page.reload()
    const kept = await opened.page.evaluate(
      async ({ home }) => {
        const storage = sdk.indexedDbStorage()
        const [[, value] = []] = await storage.entries('sessions')
        const { key } = value as { key: { privateKey: CryptoKey } }
        const read = await crypto.subtle.exportKey('pkcs8', key.privateKey).catch((error: Error) => error.name)
        const session = await sdk.Session.restore(new sdk.Client(home), storage)
        const { sessions } = (await session?.client.call('get', '/-/session')) ?? { sessions: [] }
        return { read, extractable: key.privateKey.extractable, account: session?.account, sessions: sessions.length }
      },
      { home },
    )
    expect(kept).toEqual({ read: 'InvalidAccessError', extractable: false, account, sessions: 1 })
    await opened.context.close()
  })

  test('what is written with the network off survives a reload, and merges with what others wrote', async () => {
    const opened = await open()
    const secret = newSecret()
    await signIn(opened, secret)
    await opened.context.setOffline(true)
    const offline = await opened.page.evaluate(
      async ({ home }) => {
        const session = await sdk.Session.restore(new sdk.Client(home), sdk.indexedDbStorage())
        if (!session) throw new Error('the session was kept')
        const core = await sdk.Core.open(session)
        await core.put('profile/name', 'Ada')
        await core.put('profile/city', 'London')
        await core.content.putDirectory('site', { 'index.html': '<h1>Offline</h1>' }, { visibility: 'public' })
        const code = await core.sync().catch((error: { code?: string }) => error.code)
        return { code, unsent: core.unsent, text: await core.content.text('site/index.html') }
      },
      { home },
    )
    expect(offline).toEqual({ code: 'network', unsent: 3, text: '<h1>Offline</h1>' })

    const phone = await otherDevice({ url: node.url, stop: node.stop } as never, { secret })
    await phone.core.put('profile/city', 'Paris')
    await phone.core.sync()
    // Without a network there is nothing to reload from but the device.
    await opened.context.setOffline(false)
    await opened.page.reload()
    const merged = await opened.page.evaluate(
      async ({ home }) => {
        const session = await sdk.Session.restore(new sdk.Client(home), sdk.indexedDbStorage())
        if (!session) throw new Error('the session was kept')
        const core = await sdk.Core.open(session)
        const before = core.unsent
        const { sent, received, refused } = await core.sync()
        // The blocks were sent, and are not here any more: they come from the node, and are checked.
        const text = await core.content.text('site/index.html')
        const cid = String(await core.content.find('site'))
        return { before, sent, received, refused, text, cid, profile: core.entries('profile') }
      },
      { home },
    )
    expect(merged).toMatchObject({ before: 3, sent: 3, received: 1, refused: [], text: '<h1>Offline</h1>' })
    expect(merged.profile).toEqual([
      ['profile/city', 'Paris'],
      ['profile/name', 'Ada'],
    ])
    expect(await (await fetch(`${node.url}/ipfs/${merged.cid}/index.html`)).text()).toBe('<h1>Offline</h1>')
    await opened.context.close()
  })

  test('changes of others are heard of as they happen', async () => {
    const opened = await open()
    const secret = newSecret()
    await signIn(opened, secret)
    const heard = opened.page.evaluate(
      async ({ home }) => {
        const session = await sdk.Session.restore(new sdk.Client(home), sdk.indexedDbStorage())
        if (!session) throw new Error('the session was kept')
        const core = await sdk.Core.open(session)
        const stop = core.live()
        for await (const _ of core.changes()) {
          if (core.get('profile/name') === 'Ada') break
        }
        stop()
        return core.get('profile/name')
      },
      { home },
    )
    const phone = await otherDevice({ url: node.url, stop: node.stop } as never, { secret })
    await phone.core.put('profile/name', 'Ada')
    await phone.core.sync()
    expect(await heard).toBe('Ada')
    await opened.context.close()
  })

  test('a full device says so, and nothing that was written before is lost', async () => {
    const opened = await open(browser.openAlone(home))
    await opened.devtools.send('Storage.overrideQuotaForOrigin', { origin: home, quotaSize: 3_000_000 })
    await signIn(opened, newSecret())
    const write = (bytes: number, name: string) =>
      opened.page.evaluate(
        async ({ home, bytes, name }) => {
          const session = await sdk.Session.restore(new sdk.Client(home), sdk.indexedDbStorage())
          if (!session) throw new Error('the session was kept')
          const core = await sdk.Core.open(session)
          const data = crypto.getRandomValues(new Uint8Array(65_536))
          const pieces = (async function* () {
            for (let at = 0; at < bytes; at += data.length) yield data.slice().map((byte) => byte ^ (at >> 16))
          })()
          try {
            await core.content.put(name, pieces)
            return { code: 'written', unsent: core.unsent }
          } catch (error) {
            const { code, hint } = error as { code?: string; hint?: string }
            return { code, hint, unsent: core.unsent }
          }
        },
        { home, bytes, name },
      )
    expect(await write(65_536, 'small.bin')).toEqual({ code: 'written', unsent: 1 })
    const full = await write(20_000_000, 'big.bin')
    expect(full).toEqual({ code: 'device-full', hint: expect.stringContaining('Free some space'), unsent: 1 })
    await opened.page.reload()
    const left = await opened.page.evaluate(
      async ({ home }) => {
        const session = await sdk.Session.restore(new sdk.Client(home), sdk.indexedDbStorage())
        if (!session) throw new Error('the session was kept')
        const core = await sdk.Core.open(session)
        const { sent, refused } = await core.sync()
        return { sent, refused, there: core.content.list().map(({ path }) => path) }
      },
      { home },
    )
    expect(left).toEqual({ sent: 1, refused: [], there: ['small.bin'] })
    await opened.context.close()
  })

  test('the key of a device cannot be read out, and opens what was sealed to it after a reload', async () => {
    const opened = await open()
    const secret = newSecret()
    await signIn(opened, secret)
    await opened.page.evaluate(
      async ({ home, secret }) => {
        const session = await sdk.Session.restore(new sdk.Client(home), sdk.indexedDbStorage())
        if (!session) throw new Error('the session was kept')
        const core = await sdk.Core.open(session)
        await sdk.createDeviceKey(core, sdk.keySigner(secret), 'browser')
        await core.sync()
        await sdk.seal(core, 'a.txt', 'a secret', { to: [] })
        await sdk.seal(core, 'b.txt', 'another', { to: [], form: 'jwe' })
        await core.sync()
      },
      { home, secret },
    )
    await opened.page.reload()
    const found = await opened.page.evaluate(
      async ({ home }) => {
        const session = await sdk.Session.restore(new sdk.Client(home), sdk.indexedDbStorage())
        if (!session) throw new Error('the session was kept')
        const core = await sdk.Core.open(session)
        const keys = await sdk.deviceKeys(session.storage)
        const hidden = keys.map(({ privateKey }) => privateKey instanceof CryptoKey && !privateKey.extractable)
        const open = async (path: string) =>
          new TextDecoder().decode(await sdk.openSealedBytes(sdk.sealedIn(core, path), keys))
        return { hidden, chunks: await open('a.txt'), jwe: await open('b.txt') }
      },
      { home },
    )
    expect(found).toEqual({ hidden: [true], chunks: 'a secret', jwe: 'another' })
    await opened.context.close()
  })

  test('a passkey signs in, is invited, and signs an invite and a vote; whoever declines is told so', async () => {
    const opened = await open()
    const { devtools } = opened
    await devtools.send('WebAuthn.enable')
    const options = {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    } as const
    const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', { options })
    const done = await opened.page.evaluate(
      async ({ home, secret, guest }) => {
        const client = new sdk.Client(home)
        const { account, id: credential } = await sdk.createPasskey({ name: 'Ann' })
        const [passkey, wallet] = [sdk.passkeySigner(account), sdk.keySigner(secret)]
        const own = await sdk.Core.open(await sdk.Session.signIn(client, wallet))
        const { id } = await sdk.createCore(own, wallet, { name: 'acme' })
        const inTeam = async (signer: typeof wallet) => {
          const core = await sdk.Core.open(await sdk.Session.signIn(client, signer, { cores: [{ core: id }] }), {
            core: id,
          })
          await core.sync()
          return core
        }
        const asRoot = await inTeam(wallet)
        await sdk.grantRole(asRoot, wallet, { to: account, role: 'owner' })
        await sdk.grantRole(asRoot, wallet, { to: [account, wallet.account], threshold: 2, can: ['put docs/**'] })
        await asRoot.sync()
        const asPasskey = await inTeam(passkey)
        await sdk.grantRole(asPasskey, passkey, { to: guest, role: 'reader' })
        const invited = await asPasskey.sync()
        await asRoot.sync()
        return {
          account,
          credential,
          session: asPasskey.session.account,
          refused: invited.refused,
          roles: sdk.membersOf(asRoot).members.map(({ role }) => role),
        }
      },
      { home, secret: newSecret(), guest: `0x${'aa'.repeat(20)}` },
    )
    expect(done.account).toMatch(/^did:key:zDn/)
    expect(done).toMatchObject({ session: done.account, refused: [], roles: ['owner', undefined, 'reader'] })

    const again = (account: string, id?: string) =>
      opened.page.evaluate(
        async ({ home, account, id }) => {
          const signer = sdk.passkeySigner(account, id === undefined ? {} : { id })
          return sdk.Session.signIn(new sdk.Client(home), signer).then(
            () => 'signed in',
            (error: { code?: string }) => error.code,
          )
        },
        { home, account, id },
      )
    const other = await opened.page.evaluate(() => sdk.createPasskey({ name: 'Bob' }))
    // Of several, the browser's user chooses one; by its id it is asked for.
    const chosen = [await again(done.account), await again(other.account)]
    expect(chosen.toSorted()).toEqual(['account-switched', 'signed in'])
    expect(await again(done.account, done.credential)).toBe('signed in')
    expect(await again(other.account, other.id)).toBe('signed in')
    await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
    expect(await again(other.account, other.id)).toBe('signature-rejected')
    await opened.context.close()
  })
})
