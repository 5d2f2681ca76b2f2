// A core of a team: three owners of whom two must agree, a developer and a designer.

import { deepStrictEqual, rejects, strictEqual } from 'node:assert'
import { randomBytes } from 'node:crypto'
import { sdk } from '../packages.mjs'
import { say, startNode } from '../start.mjs'

const {
  acceptInvite, approveRequest, Client, Core, createCore, finishRequest, format, grantRole, keySigner, membersOf, NotAllowedError, RemovedFromCoreError,
  removeMember, Session, voteRequests, VotesNeededError
} = await sdk()

const node = await startNode({ person: false })
try {
  await example()
} finally {
  await node.stop()
}

async function example () {
  const [ann, bob, cleo, dan, eve] = await Promise.all(['ann', 'bob', 'cleo', 'dan', 'eve'].map(person))

  say('Ann makes a core that she, Bob and Cleo own. Two of them must agree to whatever an owner does.')
  const { id } = await createCore(ann.own, ann.signer, { name: 'acme', owners: [bob.account, cleo.account], threshold: 2 })
  await wear(ann, id)
  await wear(bob, id)

  say('She asks for a developer and a designer. Bob agrees, and they accept.')
  await together(ann, bob, await grantRole(ann.acme, ann.signer, { to: dan.account, role: 'developer' }))
  await together(ann, bob, await grantRole(ann.acme, ann.signer, { to: eve.account, role: 'designer' }))
  for (const member of [dan, eve]) member.acme = (await acceptInvite(member.own, member.signer, id)).core

  say('Who may what, tried by each:')
  const found = { 'an owner alone': await may(ann), 'the developer': await may(dan), 'the designer': await may(eve) }
  console.table(found)
  deepStrictEqual(found, {
    'an owner alone': { 'write content': 'asks', 'write streams': 'asks', 'write the profile': 'asks', invite: 'asks' },
    'the developer': { 'write content': 'yes', 'write streams': 'yes', 'write the profile': 'no', invite: 'no' },
    'the designer': { 'write content': 'yes', 'write streams': 'no', 'write the profile': 'yes', invite: 'no' }
  })

  say('What they write is for members: the designer reads what the developer wrote, a stranger finds nothing.')
  strictEqual(await eve.acme.content.text('by/dan.md'), '# dan was here')
  strictEqual((await node.anonymous(`/@${id}/by/dan.md`)).status, 404)

  await publication(ann, bob)
  await removal(ann, bob, dan)
  say('All of it is so.')
}

/** A publication that takes two: nothing is open before the second has agreed. */
async function publication (ann, bob) {
  const page = `/@${ann.acme.id}/news.html`
  const status = async () => (await node.anonymous(page)).status

  await ann.acme.content.put('news.html', '<h1>We are open</h1>', { visibility: 'public', ask: true })
  await ann.acme.sync()
  await bob.acme.sync()
  const [request] = voteRequests(bob.acme)
  say(`Bob is asked, in words that his own device made:\n  ${request.what}`)
  strictEqual(await status(), 404)

  await together(ann, bob, { asked: request.id })
  strictEqual(await status(), 200)
  say(`  ${node.url}${page} is there, now that he has agreed.`)
}

/** Somebody is removed: what they write from then on counts for nobody, also what they wrote without a network. */
async function removal (ann, bob, dan) {
  say('The developer writes something without a network, and is removed meanwhile.')
  await dan.acme.content.put('late.md', 'written too late', { visibility: 'members' })
  for (const outcome of await removeMember(ann.acme, ann.signer, dan.account)) await together(ann, bob, outcome)

  await rejects(dan.acme.sync(), RemovedFromCoreError)
  await ann.acme.sync()
  strictEqual(ann.acme.get('content/late.md'), undefined)
  deepStrictEqual(membersOf(ann.acme).members.map(({ role }) => role), ['designer'])
  say('  It stays on his device; the core has nothing of it.')
}

/** Bob agrees to what Ann asked for, and she finishes it. */
async function together (ann, bob, { asked }) {
  await ann.acme.sync()
  await bob.acme.sync()
  await approveRequest(bob.acme, voteRequests(bob.acme).find(({ id }) => id === asked), bob.signer)
  await bob.acme.sync()
  await ann.acme.sync()
  await finishRequest(ann.acme, voteRequests(ann.acme).find(({ id }) => id === asked), ann.signer)
  await ann.acme.sync()
}

async function may (person) {
  const { account, acme, name, signer } = person
  await acme.sync()
  const tries = {
    'write content': () => acme.content.put(`by/${name}.md`, `# ${name} was here`, { visibility: 'members' }),
    'write streams': () => acme.put(`streams/${name}`, {}),
    'write the profile': () => acme.put(`profile/${name}`, 'likes teal'),
    // By signing alone: `grantRole` would ask the other owners where that is needed.
    invite: () => acme.sign(signer, { verb: 'grant', to: account, as: 'guest', can: [format.parseAbility('read content/**')] })
  }
  const found = {}
  for (const [what, attempt] of Object.entries(tries)) found[what] = await outcome(attempt)
  // The node comes to the same verdict as the rules on the device.
  deepStrictEqual((await acme.sync()).refused, [])
  return found
}

async function outcome (attempt) {
  try {
    await attempt()
    return 'yes'
  } catch (error) {
    if (error instanceof VotesNeededError) return 'asks'
    if (error instanceof NotAllowedError) return 'no'
    throw error
  }
}

/** Somebody with a key of their own, signed in. */
async function person (name) {
  const signer = keySigner(`0x${randomBytes(32).toString('hex')}`)
  const own = await Core.open(await Session.signIn(new Client(node.url), signer))
  return { name, signer, account: signer.account, own }
}

/** Signs in anew, to a core that the person is an owner of, too. */
async function wear (person, id) {
  person.acme = await Core.open(await person.own.session.renew(person.signer, { cores: [{ core: id }] }), { core: id })
  await person.acme.sync()
}
