import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KubeltError, NotAllowedError, ProblemError, VotesNeededError } from '../../src/errors.js'
import { Core } from '../../src/local/core.js'
import { memoryStorage } from '../../src/local/storage.js'
import {
  agreeToAsks,
  coreTree,
  createCore,
  findCore,
  listCores,
  setTemplate,
  unnameCore,
} from '../../src/members/cores.js'
import { acceptInvite, listInvites, ownInvites, parseInvite } from '../../src/members/invites.js'
import { grantRole, handOver, listRoles, membersOf, removeMember, resign } from '../../src/members/members.js'
import {
  answerRequest,
  approveRequest,
  askOthers,
  finishRequest,
  listRequests,
  rejectRequest,
  voteRequests,
  withdrawRequest,
} from '../../src/members/requests.js'
import { CoreProvider } from '../../src/provider/provider.js'
import { Session } from '../../src/session/session.js'
import type { Eip1193Provider } from '../../src/session/signer.js'
import { type Person, partIn, someone, team } from './people.js'
import { start, type TestNode } from './start.js'

let node: TestNode
beforeAll(async () => {
  node = await start('[chains.1]\nurls = ["http://127.0.0.1:9"]\n')
})
afterAll(() => node.stop())

async function sync(...cores: Core[]) {
  for (const core of cores) await core.sync()
}

/** A core of three, of whom two must agree. */
async function three() {
  const people = [await someone(node), await someone(node), await someone(node)] as const
  const [ann, bob, cat] = people
  const { id } = await createCore(ann.core, ann.signer, {
    name: 'acme',
    owners: [bob.account, cat.account],
    threshold: 2,
  })
  const parts = [await partIn(ann, id), await partIn(bob, id), await partIn(cat, id)] as const
  // It is dead until two of them have signed something.
  await askOthers(parts[0], { verb: 'seal' })
  await sync(...parts)
  await approveRequest(parts[1], voteRequests(parts[1])[0] ?? fail(), bob.signer)
  await sync(parts[1], parts[0])
  await finishRequest(parts[0], voteRequests(parts[0])[0] ?? fail(), ann.signer)
  await sync(...parts)
  return { people, parts }
}

function fail(): never {
  throw new Error('nothing waits')
}

describe('members', () => {
  test('are listed from the log, and are what the node says', async () => {
    const [ann, bob] = [await someone(node), await someone(node)]
    const core = await team(ann)
    expect(membersOf(core)).toMatchObject({ root: ann.account, begun: true, members: [] })
    await grantRole(core, ann.signer, { to: bob.account, role: 'designer' })
    await grantRole(core, ann.signer, { to: [ann.account, bob.account], threshold: 2, can: ['put content/press/**'] })
    await core.sync()
    const asBob = await partIn(bob, core.id)
    await asBob.put('profile/name', 'Acme')
    await sync(asBob, core)
    const said = await core.session.client.call('get', '/@{core}/-/members', { path: { core: core.id } })
    const { members } = membersOf(core)
    const view = ({ grant, role, can, may, by, since, acted }: (typeof members)[number]) => ({
      grant,
      role,
      can,
      may,
      by,
      since: Math.floor(since.getTime() / 1_000),
      acted,
    })
    expect(members.map(view)).toEqual(
      said.members.map(({ grant, role, can, may, by, since, acted }) => ({
        grant,
        role,
        can,
        may,
        by,
        since: new Date(since).getTime() / 1_000,
        acted,
      })),
    )
    expect(members.map(({ to }) => to)).toEqual([bob.account, { m: 2, of: [ann.account, bob.account].sort() }])
    expect((await listRoles(core.session)).map(({ name }) => name)).toContain('developer')
  })

  test('are invited by a link, accept, and resign', async () => {
    const [ann, bob] = [await someone(node), await someone(node)]
    const core = await team(ann)
    await grantRole(core, ann.signer, { to: bob.account, role: 'developer' })
    await core.sync()
    const [invite] = await listInvites(core)
    expect(await ownInvites(bob.session)).toMatchObject([{ core: core.id, title: 'acme', roles: ['developer'] }])
    const accepted = await acceptInvite(bob.core, bob.signer, invite?.link ?? '', 'work')
    expect(accepted).toMatchObject({ name: 'work', roles: ['developer'] })
    expect(await ownInvites(accepted.session)).toEqual([])
    expect(await findCore(accepted.session, '@work')).toBe(core.id)
    // A second time it changes nothing.
    const again = await acceptInvite(bob.core, bob.signer, core.id)
    expect(again.name).toBe('work')
    await resign(again.core, bob.signer)
    await sync(again.core, core).catch(() => {})
    await core.sync()
    expect(membersOf(core).members).toEqual([])
    expect(() => parseInvite('kubelt://nonsense')).toThrow(/Copy the whole link again/)
    await expect(acceptInvite(bob.core, bob.signer, ann.core.id)).rejects.toMatchObject({ code: 'not-found' })
  })

  test('what does not go is said, and nothing is done', async () => {
    const [ann, bob] = [await someone(node), await someone(node)]
    const core = await team(ann)
    await expect(grantRole(core, ann.signer, { to: bob.account, role: 'emperor' })).rejects.toMatchObject({
      code: 'no-role',
      hint: expect.stringContaining('developer'),
    })
    await expect(removeMember(core, ann.signer, bob.account)).rejects.toMatchObject({ code: 'no-grant' })
    await expect(handOver(core, ann.signer, [bob.account], 2)).rejects.toMatchObject({ code: 'bad-threshold' })
    await grantRole(core, ann.signer, { to: bob.account, role: 'designer' })
    await core.sync()
    const asBob = await partIn(bob, core.id)
    const error = await grantRole(asBob, bob.signer, { to: bob.account, role: 'owner' }).catch(
      (error: unknown) => error,
    )
    expect(error).toBeInstanceOf(NotAllowedError)
    expect(error).toMatchObject({ code: 'not-allowed', hint: expect.stringContaining('Nothing was changed') })
    expect(asBob.unsent).toBe(0)
  })
})

describe('two of three', () => {
  test('agree to an invite, by typed data that says it', async () => {
    const { people, parts } = await three()
    const [ann, bob] = people
    const [asAnn, asBob, asCat] = parts
    expect(membersOf(asAnn).begun).toBe(true)
    const guest = await someone(node)
    await expect(asAnn.sign(ann.signer, { verb: 'rotate', root: ann.account })).rejects.toThrow(VotesNeededError)
    const asked = await grantRole(asAnn, ann.signer, { to: guest.account, role: 'reader' }, { title: 'our guest' })
    await sync(...parts)
    const [request] = voteRequests(asBob)
    expect(request).toMatchObject({
      agree: 1,
      standing: 'waiting',
      by: ann.account,
      title: 'our guest',
      bySession: false,
    })
    expect(asked).toEqual({ asked: request?.id })
    expect(request?.what).toContain(`Give ${guest.account} the role "reader"`)
    // The node sees the same.
    const said = await asBob.session.client.call('get', '/@{core}/-/requests', { path: { core: asBob.id } })
    expect(said.requests).toMatchObject([{ kind: 'vote', id: request?.id, what: request?.what, agree: 1 }])

    await expect(approveRequest(asAnn, request ?? fail(), ann.signer)).rejects.toMatchObject({ code: 'own-request' })
    await expect(approveRequest(asBob, request ?? fail())).rejects.toMatchObject({ code: 'needs-signer' })
    await expect(finishRequest(asAnn, request ?? fail(), ann.signer)).rejects.toMatchObject({ code: 'not-ready' })
    await rejectRequest(asCat, request ?? fail(), people[2].signer)
    await approveRequest(asBob, request ?? fail(), bob.signer)
    await sync(asBob, asCat, asAnn)
    expect(voteRequests(asAnn)).toMatchObject([{ agree: 2, standing: 'ready', missing: [] }])
    await finishRequest(asAnn, request ?? fail(), ann.signer)
    await sync(...parts)
    expect(membersOf(asCat).members).toMatchObject([{ to: guest.account, role: 'reader' }])
    expect(voteRequests(asCat)).toEqual([])
  })

  test('agree to content by their sessions; a request is withdrawn', async () => {
    const { parts } = await three()
    const [asAnn, asBob] = parts
    const { verb, path, value } = { verb: 'put', path: 'profile/name', value: 'Acme' } as const
    await expect(asAnn.put(path, value)).rejects.toThrow(VotesNeededError)
    await askOthers(asAnn, { verb, path: path as never, value })
    await askOthers(asAnn, { verb, path: 'profile/city' as never, value: 'Paris' })
    await sync(asAnn, asBob)
    // They may end in the same millisecond, so neither is the first.
    const [first, second] = [path, 'profile/city'].map((path) =>
      voteRequests(asBob).find(({ what }) => what.includes(path)),
    )
    await approveRequest(asBob, first ?? fail())
    await sync(asBob, asAnn)
    await withdrawRequest(asAnn, second ?? fail())
    await finishRequest(asAnn, first ?? fail())
    await sync(...parts)
    for (const part of parts) expect([part.get(path), voteRequests(part)]).toEqual(['Acme', []])
  })

  test('are asked for publishing, with the blocks that it takes', async () => {
    const { parts } = await three()
    const [asAnn, asBob] = parts
    const published = await asAnn.content.put('a.txt', 'agreed', { visibility: 'public', ask: { title: 'a page' } })
    expect(published.op).toBeUndefined()
    await sync(asAnn, asBob)
    expect(voteRequests(asBob)).toMatchObject([{ id: published.asked, title: 'a page', bySession: true }])
    expect((await fetch(`${node.url}/ipfs/${published.cid}`)).status).toBe(404)
    await approveRequest(asBob, voteRequests(asBob)[0] ?? fail())
    await sync(asBob, asAnn)
    await finishRequest(asAnn, voteRequests(asAnn)[0] ?? fail())
    await asAnn.sync()
    expect(await (await fetch(`${node.url}/ipfs/${published.cid}`)).text()).toBe('agreed')
  })

  test('what cannot be asked for', async () => {
    const ann = await someone(node)
    const core = await team(ann)
    await expect(askOthers(core, { verb: 'seal' })).rejects.toMatchObject({ code: 'alone' })
    await expect(askOthers(core, { verb: 'seal' }, { title: 'two\nlines' })).rejects.toMatchObject({
      code: 'bad-request',
    })
    await expect(askOthers(core, { verb: 'seal' }, { livesMs: 1 })).rejects.toMatchObject({ code: 'bad-request' })
  })
})

describe('what programs ask for', () => {
  /** A wallet, and what it was asked. */
  function wallet(secret: string) {
    const account = privateKeyToAccount(secret as `0x${string}`)
    const state = { declines: false }
    const provider: Eip1193Provider = {
      async request({ params }) {
        if (state.declines) throw Object.assign(new Error('no'), { code: 4001 })
        return account.signMessage({ message: { raw: params?.[0] as `0x${string}` } })
      },
    }
    return { provider, state }
  }

  /** The next thing that waits. */
  async function next(person: Person) {
    for (;;) {
      const [request] = await listRequests(person.core)
      if (request?.kind === 'sign') return request
    }
  }

  test('stands in the same list, and the wallet answers it', async () => {
    const ann = await someone(node)
    const { provider, state } = wallet(ann.secret)
    const ask = () =>
      new CoreProvider(ann.session)
        .request({ method: 'personal_sign', params: ['0x6869', ann.account] })
        .catch((error: unknown) => error)
    const asked = ask()
    const request = await next(ann)
    expect(request).toMatchObject({ method: 'personal_sign', account: ann.account, params: ['0x6869', ann.account] })
    state.declines = true
    await expect(answerRequest(ann.core, request, provider)).rejects.toMatchObject({ code: 'signature-rejected' })
    await expect(answerRequest(ann.core, request, `0x${'00'.repeat(65)}`)).rejects.toBeInstanceOf(ProblemError)
    state.declines = false
    await answerRequest(ann.core, request, provider)
    expect(await asked).toMatch(/^0x[0-9a-f]{130}$/)
    const second = ask()
    expect(await rejectRequest(ann.core, await next(ann))).toBeUndefined()
    expect(await second).toMatchObject({ code: 4001 })
  })
})

describe('cores inside cores', () => {
  test('are made, found, listed and left', async () => {
    const ann = await someone(node)
    const acme = await team(ann)
    const widget = await createCore(acme, ann.signer, { name: 'widget', title: 'Widgets' })
    const inWidget = await partIn(ann, widget.id)
    const part = await createCore(inWidget, ann.signer, { name: 'part' })
    expect(inWidget.genesis).toMatchObject({ kind: 'shared', parent: acme.id, name: 'Widgets' })
    const cores = [acme, widget, part].map(({ id }) => ({ core: id }))
    const whole = await ann.session.renew(ann.signer, { cores })
    expect(whole.cores.toSorted()).toEqual(cores.map(({ core }) => core).toSorted())
    expect(await findCore(whole, '@acme/@widget/@part')).toBe(part.id)
    await expect(ann.session.client.call('get', '/-/session')).rejects.toMatchObject({ code: 'unauthorized' })
    expect(await findCore(whole, '@me')).toBe(ann.core.id)
    expect(await findCore(whole, `@${ann.account}`)).toBe(ann.core.id)
    await expect(findCore(whole, '@acme/@nothing')).rejects.toMatchObject({ code: 'not-found' })
    expect(await listCores(acme)).toMatchObject([{ name: 'widget', core: widget.id, title: 'Widgets', child: true }])
    expect(await coreTree({ session: whole, id: ann.core.id })).toMatchObject([
      { name: 'acme', cores: [{ name: 'widget', cores: [{ name: 'part', cores: [] }] }] },
    ])
    await expect(createCore(acme, ann.signer, { name: 'widget' })).rejects.toMatchObject({ code: 'conflict' })
    await unnameCore(acme, 'widget')
    await acme.sync()
    expect(await listCores(acme)).toEqual([])
  })

  test('of users begin with a sign-in through them, and give only what the user signs', async () => {
    const [ann, bob] = [await someone(node), await someone(node)]
    const acme = await team(ann)
    await expect(Session.signIn(bob.client, bob.signer, { within: acme.id })).rejects.toBeInstanceOf(KubeltError)
    await setTemplate(acme, { user: { asks: ['read content/shared/**'] } })
    expect((await acme.sync()).refused).toEqual([])
    const storage = memoryStorage()
    const session = await Session.signIn(bob.client, bob.signer, { within: acme.id, storage })
    expect(session).toMatchObject({ within: acme.id, asks: { to: ann.account, can: ['read content/shared/**'] } })
    const own = await Core.open(session)
    expect(own.genesis).toEqual({ kind: 'user', root: bob.account, parent: acme.id })
    await own.content.put('shared/a.txt', 'for Acme', { visibility: 'members' })
    await own.sync()
    expect(membersOf(own).members).toEqual([])
    await agreeToAsks(own, bob.signer)
    await own.sync()
    expect(membersOf(own).members).toMatchObject([{ to: ann.account, role: 'parent' }])
    const asParent = await ann.session.renew(ann.signer, { cores: [{ core: acme.id }, { core: own.id }] })
    expect(await findCore(asParent, `@acme/@${bob.account}`)).toBe(own.id)
    // It is kept, with what it was asked.
    const restored = await Session.restore(bob.client, storage)
    expect(restored).toMatchObject({ core: own.id, asks: { can: ['read content/shared/**'] } })
    // The private core is out of its reach.
    await expect(session.client.call('get', '/-/invites')).rejects.toBeInstanceOf(ProblemError)
  })
})
