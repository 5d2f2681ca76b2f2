import 'fake-indexeddb/auto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client } from '../../src/api/client.js'
import {
  IntegrityError,
  KubeltError,
  NetworkError,
  NotAllowedError,
  QuotaError,
  RemovedFromCoreError,
  SessionExpiredError,
  UploadInterruptedError,
} from '../../src/errors.js'
import { Core } from '../../src/local/core.js'
import { indexedDbStorage, memoryStorage, type Storage } from '../../src/local/storage.js'
import { nameCore } from '../../src/members/cores.js'
import { grantRole, removeMember } from '../../src/members/members.js'
import { Session } from '../../src/session/session.js'
import { keySigner } from '../../src/session/signer.js'
import { otherDevice as elsewhere, network, partIn, team as shared, someone as signIn } from './people.js'
import { newSecret, start, type TestNode } from './start.js'

let node: TestNode
beforeAll(async () => {
  node = await start()
})
afterAll(() => node.stop())

const someone = (...args: [Storage?, string?]) => signIn(node, ...args)
const otherDevice = (person: { secret: string }) => elsewhere(node, person)

describe('the map', () => {
  test('is written with the network off, survives a reload, and merges afterwards', async () => {
    const storage = indexedDbStorage('offline')
    const laptop = await someone(storage)
    laptop.state.up = false
    await laptop.core.put('profile/name', 'Ada')
    await laptop.core.put('profile/city', 'London')
    expect(laptop.core.get('profile/name')).toBe('Ada')
    await expect(laptop.core.sync()).rejects.toThrow(NetworkError)
    expect(laptop.core.unsent).toBe(2)

    const { client, state } = network(node)
    const restored = await Session.restore(client, indexedDbStorage('offline'))
    if (!restored) throw new Error('the session was kept')
    const reloaded = await Core.open(restored)
    expect(reloaded.entries('profile')).toEqual([
      ['profile/city', 'London'],
      ['profile/name', 'Ada'],
    ])
    expect(reloaded.unsent).toBe(2)

    const phone = await otherDevice(laptop)
    await phone.core.put('profile/city', 'Paris')
    expect(await phone.core.sync()).toMatchObject({ sent: 1, refused: [] })
    state.up = true
    expect(await reloaded.sync()).toMatchObject({ sent: 2, received: 1, refused: [] })
    await phone.core.sync()
    // Both know both, and the later write decides.
    expect(reloaded.get('profile/city')).toBe('Paris')
    expect(phone.core.entries('profile')).toEqual(reloaded.entries('profile'))
    expect(reloaded.unsent).toBe(0)
    expect((await Core.open(restored)).entries()).toEqual(reloaded.entries())
  })

  test('is the one that the node has', async () => {
    const { core, client, session } = await someone()
    for (let n = 0; n < 30; n++) await core.put(`profile/n${n % 7}`, n)
    await core.put('profile/n0', null)
    await core.sync()
    const page = await session.client.call('get', '/@{core}/-/state/{prefix}', {
      path: { core: core.id, prefix: 'profile' },
    })
    expect(page.entries.map(({ path, value }) => [path, value])).toEqual(core.entries('profile'))
    expect(client.isSignedIn).toBe(false)
  })

  test('tells of changes, and keeps itself up to date', async () => {
    const laptop = await someone()
    const phone = await otherDevice(laptop)
    const stops: (() => void)[] = []
    const seen = new Promise<void>((resolve) => {
      const stop = phone.core.onChange(() => {
        if (phone.core.get('profile/name') !== 'Ada') return
        stop()
        resolve()
      })
    })
    const sent = new Promise<void>((resolve) => {
      stops.push(laptop.core.live({ everyMs: 50, onSync: ({ sent }) => sent > 0 && resolve() }))
    })
    stops.push(phone.core.live({ everyMs: 50 }))
    await laptop.core.put('profile/name', 'Ada')
    await Promise.all([seen, sent])
    for (const stop of stops) stop()
  })

  test('keeps who wrote what, and when', async () => {
    const { core, session } = await someone()
    const before = Date.now()
    const first = await core.put('profile/name', 'Ada')
    const second = await core.put('profile/name', 'Ada L.')
    const cleared = await core.put('profile/name', null)
    const history = core.history('profile/name')
    expect(history.map(({ op, value }) => [op, value])).toEqual([
      [cleared, null],
      [second, 'Ada L.'],
      [first, 'Ada'],
    ])
    expect(history.every(({ by, effective }) => by === session.account && effective)).toBe(true)
    expect(history[2]?.at.getTime()).toBeGreaterThanOrEqual(before)
    expect([core.written('profile'), core.history('profile/other')]).toEqual([[], []])
    const again = await core.put('profile/name', 'Ada')
    expect(core.written('profile')).toMatchObject([['profile/name', { op: again, value: 'Ada' }]])
  })

  test('refuses values and paths that it has no room for, and loses nothing', async () => {
    const { core, secret } = await someone()
    expect(() => core.put('../a', 1)).toThrow()
    await core.put('nonsense/a', 1)
    await core.put('profile/name', 'Ada')
    const { sent, refused } = await core.sync()
    expect(sent).toBe(1)
    expect(refused).toMatchObject([{ act: { verb: 'put', path: 'nonsense/a', value: 1 } }])
    expect(refused[0]?.why).toContain('`nonsense`')
    expect(core.refused).toEqual(refused)
    expect([core.get('nonsense/a'), core.get('profile/name'), core.unsent]).toEqual([undefined, 'Ada', 0])
    const other = await otherDevice({ secret })
    await other.core.sync()
    expect(other.core.entries()).toEqual([['profile/name', 'Ada']])
  })
})

describe('content', () => {
  test('is published offline, and read back by somebody else with every block checked', async () => {
    const { core, state } = await someone()
    const big = new Uint8Array(3_000_000).map((_, i) => (i * 7919) >> 5)
    state.up = false
    const file = await core.content.put('data/big.bin', big, { visibility: 'public' })
    const site = await core.content.putDirectory(
      'site',
      { 'index.html': '<h1>Hi</h1>', 'css/a.css': 'p {}' },
      { visibility: 'public', keep: true },
    )
    expect(await core.content.text('site/index.html')).toBe('<h1>Hi</h1>')
    expect(core.content.list().map(({ path, mediaType }) => [path, mediaType])).toEqual([
      ['data/big.bin', 'application/octet-stream'],
      ['site', 'inode/directory'],
    ])
    state.up = true
    await core.sync()
    const gateway = await fetch(`${node.url}/ipfs/${site.cid}/css/a.css`)
    expect([gateway.headers.get('content-type'), await gateway.text()]).toEqual(['text/css; charset=utf-8', 'p {}'])
    // What is not to stay here comes from the node.
    expect(Buffer.compare(await core.content.get('data/big.bin'), big)).toBe(0)
    state.up = false
    await expect(core.content.get('data/big.bin')).rejects.toThrow(NetworkError)
    expect(await core.content.names('site')).toEqual(['css', 'index.html'])
    expect((await fetch(`${node.url}/ipfs/${file.cid}`)).headers.get('content-length')).toBe('3000000')
    expect(core.content.at('site')).toMatchObject({ visibility: 'public', by: core.session.account, op: site.op })
    await core.content.setVisibility('site', 'members')
    expect(core.content.at('site')).toMatchObject({ visibility: 'members', cid: site.cid, size: site.size })
    await expect(core.content.setVisibility('sit', 'public')).rejects.toThrow('nothing at `sit`')
    await core.content.remove('site')
    expect(await core.content.find('site/index.html')).toBeUndefined()
  })

  test('is not taken from a node that lies', async () => {
    const { core, secret } = await someone()
    await core.content.put('a.txt', 'the truth')
    await core.sync()
    const liar = new Client(node.url, {
      fetch: async (input, init) => (String(input).includes('/ipfs/') ? new Response('a lie') : fetch(input, init)),
    })
    const session = await Session.signIn(liar, keySigner(secret))
    const fooled = await Core.open(session)
    await fooled.sync()
    await expect(fooled.content.get('a.txt')).rejects.toThrow(IntegrityError)
  })

  test('of a name that is not there is said to be missing', async () => {
    const { core } = await someone()
    await expect(core.content.get('none.txt')).rejects.toThrow(KubeltError)
  })

  test('an upload that breaks off goes on where it was', async () => {
    const { core, state } = await someone()
    const data = new Uint8Array(12_000_000).map((_, i) => (i * 104_729) >> 7)
    state.uploadsLeft = 1
    const error = await core.content.put('big.bin', data, { local: false }).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(UploadInterruptedError)
    expect(String(error)).toContain('only what is missing is sent')
    expect(core.content.list()).toEqual([])
    ;[state.uploadsLeft, state.sent] = [Number.POSITIVE_INFINITY, 0]
    let known = 0
    await core.content.put('big.bin', data, { local: false, onProgress: (progress) => (known = progress.known) })
    expect(known).toBeGreaterThan(0)
    expect(state.sent).toBeLessThan(data.length - 3_000_000)
    await core.sync()
    expect((await core.content.get('big.bin')).length).toBe(data.length)
  }, 60_000)
})

describe('what can go wrong', () => {
  test('a session that was ended elsewhere: what was written is sent after the next sign-in', async () => {
    const storage = memoryStorage()
    const laptop = await someone(storage)
    await laptop.core.put('profile/name', 'Ada')
    const phone = await otherDevice(laptop)
    await phone.core.sync()
    await laptop.session.signOut()
    await laptop.core.put('profile/city', 'London')
    await expect(laptop.core.sync()).rejects.toThrow(SessionExpiredError)
    expect(laptop.core.unsent).toBe(2)
    const again = await Session.signIn(laptop.client, laptop.signer, { storage })
    const core = await Core.open(again)
    // The old session's end does not know these writes, so that they would count for nobody: they are made again.
    expect(await core.sync()).toMatchObject({ sent: 2, refused: [] })
    await phone.core.sync()
    expect(phone.core.entries('profile')).toEqual([
      ['profile/city', 'London'],
      ['profile/name', 'Ada'],
    ])
    expect(core.entries('profile')).toEqual(phone.core.entries('profile'))
  })

  test('a session that may not', async () => {
    const { client } = network(node)
    const session = await Session.signIn(client, keySigner(newSecret()), { abilities: ['put content/site/**'] })
    const core = await Core.open(session)
    await expect(core.put('profile/name', 'Ada')).rejects.toThrow(NotAllowedError)
    expect(core.unsent).toBe(0)
    await core.content.put('site/a.txt', 'a')
  })

  test('a full quota: nothing is lost, and it is sent when there is room', async () => {
    const small = await start('[quota]\nblock_bytes = 100000\n')
    try {
      const session = await Session.signIn(new Client(small.url), keySigner(newSecret()))
      const core = await Core.open(session)
      await core.content.put('big.bin', new Uint8Array(500_000))
      const error = await core.sync().catch((error: unknown) => error)
      expect(error).toBeInstanceOf(QuotaError)
      expect(String(error)).toContain('nothing was lost')
      expect(core.unsent).toBe(1)
    } finally {
      await small.stop()
    }
  })

  test('a core that somebody was removed from: what was written stays here', async () => {
    const ann = await someone()
    const bob = await someone()
    const owner = await shared(ann)
    const team = owner.id
    expect(ann.core.entries('cores').map(([path]) => path)).toEqual(['cores/acme'])
    await owner.put('profile/name', 'Acme')
    await grantRole(owner, ann.signer, { to: bob.account, role: 'developer' })
    await owner.sync()

    const invited = await bob.session.client.call('get', '/-/invites')
    expect(invited).toMatchObject({ invites: [{ core: team, title: 'acme', roles: ['developer'] }] })
    await nameCore(bob.core, 'acme', team)
    const member = await partIn(bob, team)
    expect(member.get('profile/name')).toBe('Acme')
    await member.content.put('notes/a.txt', 'from Bob', { visibility: 'members' })
    await member.sync()
    await owner.sync()
    expect(await owner.content.text('notes/a.txt')).toBe('from Bob')
    await expect(member.sign(bob.signer, { verb: 'rotate', root: bob.session.account })).rejects.toThrow(
      NotAllowedError,
    )

    // Bob is away while he is removed.
    await member.put('content/notes/b.txt', null)
    expect(await removeMember(owner, ann.signer, bob.session.account)).toHaveLength(1)
    await owner.sync()
    const error = await member.sync().catch((error: unknown) => error)
    expect(error).toBeInstanceOf(RemovedFromCoreError)
    expect(String(error)).toContain('1 of your changes were not sent; they are kept on this device')
    expect([member.unsent, member.get('profile/name')]).toEqual([1, 'Acme'])
    await expect(removeMember(owner, ann.signer, bob.session.account)).rejects.toThrow(/nothing to take back/)
  })
})
