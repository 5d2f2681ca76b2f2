import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startNode } from '../../../../conformance/node.mjs'
import type { Account } from '../../src/core/account.js'
import { coreIdOf } from '../../src/core/genesis.js'
import type { Core } from '../../src/local/core.js'
import { createCore } from '../../src/members/cores.js'
import { grantRole, principalText } from '../../src/members/members.js'
import { approveRequest, askOthers, finishRequest, voteRequests } from '../../src/members/requests.js'
import { fetchProof, isContentOf, originOf } from '../../src/provenance/fetch.js'
import { type Provenance, verifyProof } from '../../src/provenance/proof.js'
import { dice } from '../vectors.js'
import { partIn, someone, team } from './people.js'

type CliNode = Awaited<ReturnType<typeof startNode>> & { core: string; account: string }

let node: CliNode
beforeAll(async () => {
  node = (await startNode()) as CliNode
})
afterAll(() => node.stop())

/** What a proof shows, as `kubelt verify --json` says it. */
function view(shown: Provenance) {
  const { core, op, by, path, entry, session, chain, voters, unchecked, genesis } = shown
  return {
    core,
    owner: typeof genesis.root === 'string' && genesis.kind !== 'shared' ? genesis.root : ownersOf(genesis.root),
    op,
    by,
    path,
    cid: entry.cid.toString(),
    sealed: entry.encryption !== undefined,
    signed_in_at: session?.domain ?? null,
    session_held_by_node: session?.heldByNode ?? null,
    chain: chain.map(({ op, by, role }) => ({ op, by, role: role ?? null })),
    voters,
    unchecked,
  }
}

function ownersOf(root: Provenance['genesis']['root']): string {
  return typeof root === 'string' ? `1 of ${root}` : principalText(root)
}

/** What the command line finds in the same file. */
async function judged(proof: Uint8Array) {
  writeFileSync(join(node.dir, 'one.proof'), proof)
  const { at: _, ...rest } = await node.json(['verify', 'one.proof'])
  return rest
}

test('a proof of a private core, of a member and of two who agreed shows what the command line finds', async () => {
  const [ann, bob, cat] = [await someone(node), await someone(node), await someone(node)]
  await ann.core.content.put('a.txt', 'mine')
  await ann.core.sync()
  const own = await fetchProof(ann.core, 'a.txt')
  expect(verifyProof(own)).toMatchObject({
    by: ann.account,
    path: 'content/a.txt',
    session: { heldByNode: false },
    chain: [],
  })
  expect(view(verifyProof(own))).toEqual(await judged(own))

  const acme = await team(ann)
  await grantRole(acme, ann.signer, { to: bob.account, role: 'developer' })
  await acme.sync()
  const asBob = await partIn(bob, acme.id)
  await asBob.content.put('notes/b.txt', 'by Bob', { visibility: 'members' })
  await asBob.sync()
  const members = await fetchProof(asBob, 'notes/b.txt')
  expect(verifyProof(members).chain).toMatchObject([{ by: ann.account, role: 'developer' }])
  expect(view(verifyProof(members))).toEqual(await judged(members))

  const { id } = await createCore(ann.core, ann.signer, {
    name: 'two',
    owners: [bob.account, cat.account],
    threshold: 2,
  })
  const [asAnn, asCat] = [await partIn(ann, id), await partIn(cat, id)]
  const agree = async (approver: Core) => {
    await asAnn.sync()
    await approver.sync()
    for (const request of voteRequests(approver)) await approveRequest(approver, request, cat.signer)
    await approver.sync()
    await asAnn.sync()
    for (const request of voteRequests(asAnn)) await finishRequest(asAnn, request, ann.signer)
    await asAnn.sync()
  }
  await askOthers(asAnn, { verb: 'seal' })
  await agree(asCat)
  await asAnn.content.put('agreed.txt', 'by two', { ask: true })
  await agree(asCat)
  const two = await fetchProof(asAnn, 'agreed.txt')
  expect(verifyProof(two).voters).toEqual([cat.account])
  expect(view(verifyProof(two))).toEqual(await judged(two))
})

test('what the command line sent shows who put it where it came from', async () => {
  const ann = await someone(node)
  await ann.core.content.put('bank/iban', 'DE89', { visibility: 'public' })
  await ann.core.sync()
  await node.run(['send', `@${ann.account}/bank/iban`, '--to', '@me/inbox/', '--public'])
  const inbox = { session: ann.session, id: coreIdOf({ kind: 'private', root: node.account as Account }) }
  const { here, from } = await originOf(inbox, 'inbox/iban')
  // The node held the sender's key, and so could have written this itself.
  expect(here).toMatchObject({ by: node.account, path: 'content/inbox/iban', session: { heldByNode: true } })
  expect(from).toMatchObject({ by: ann.account, path: 'content/bank/iban', session: { heldByNode: false } })
  expect((await originOf(ann.core, 'bank/iban')).from).toBeUndefined()
  expect(await isContentOf(here.entry.cid, 'DE89')).toBe('same')
  expect(await isContentOf(here.entry.cid, 'DE90')).toBe('other')
  await expect(originOf(inbox, 'nothing')).rejects.toMatchObject({ code: 'not-found' })
})

test('a proof with one byte changed shows nothing else', async () => {
  const ann = await someone(node)
  await ann.core.content.put('a.txt', 'mine')
  await ann.core.sync()
  const proof = await fetchProof(ann.core, 'a.txt')
  const good = view(verifyProof(proof))
  const below = dice(7)
  for (let round = 0; round < 200; round++) {
    const changed = proof.slice()
    const at = below(proof.length)
    changed[at] = (changed[at] as number) ^ (1 << below(8))
    let shown: ReturnType<typeof view> | undefined
    try {
      shown = view(verifyProof(changed))
    } catch (error) {
      expect(error, `byte ${at}`).toMatchObject({ code: 'bad-proof' })
    }
    if (shown) expect(shown, `byte ${at}`).toEqual(good)
  }
  for (const bytes of [new Uint8Array(0), proof.subarray(0, -1), new Uint8Array(4 * 1024 * 1024 + 1)]) {
    expect(() => verifyProof(bytes)).toThrow(/shows nothing/)
  }
})
