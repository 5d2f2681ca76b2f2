import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkOperation } from '../../src/local/audit.js'
import { Core } from '../../src/local/core.js'
import { memoryStorage } from '../../src/local/storage.js'
import { grantRole, revokeGrant } from '../../src/members/members.js'
import { partIn, someone, team } from './people.js'
import { start, type TestNode } from './start.js'

let node: TestNode
beforeAll(async () => {
  node = await start()
})
afterAll(() => node.stop())

test('a check shows who signed, by which sign-in, and what allowed it', async () => {
  const [ann, bob] = [await someone(node), await someone(node)]
  const acme = await team(ann)
  const outcome = await grantRole(acme, ann.signer, { to: bob.account, role: 'developer' })
  await acme.sync()
  const part = await partIn(bob, acme.id)
  const op = await part.put('content/a', null)
  await part.sync()
  await acme.sync()

  const found = checkOperation(acme, op)
  expect(found).toMatchObject({
    op,
    by: bob.account,
    core: acme.id,
    founder: ann.account,
    verdict: 'valid',
    effective: true,
  })
  expect(found.signIn).toMatchObject({ scheme: 'eip191', domain: new URL(node.url).host, heldByNode: false })
  expect(found.chain).toMatchObject([{ op: 'done' in outcome && outcome.done, by: ann.account, scheme: 'eip191' }])
  expect(found.chain[0]?.signIn).toBeUndefined()

  const early = acme.log.graph.nodes[0]
  expect(checkOperation(acme, early?.id as never)).toMatchObject({ chain: [], by: ann.account })

  // What is taken back before it is known does not count any more.
  const late = await part.put('content/b', null)
  await part.sync()
  if ('done' in outcome) await revokeGrant(acme, ann.signer, outcome.done)
  await acme.sync()
  expect(checkOperation(acme, late).effective).toBe(false)
})

test('bytes that were changed on the device are found out', async () => {
  const storage = memoryStorage()
  const ann = await someone(node, storage)
  const op = await ann.core.put('profile/name', 'Ann')
  const table = `core/${ann.core.id}`
  const kept = (await storage.get(table, `op/${op}`)) as { signed: Uint8Array }
  const signed = kept.signed.slice()
  // Signatures stand last in the canonical form.
  signed[signed.length - 1] = (signed[signed.length - 1] as number) ^ 1
  await storage.write(table, [{ put: `op/${op}`, value: { ...kept, signed } }])
  const again = await Core.open(ann.session)
  expect(() => checkOperation(again, op)).toThrow(/is not good: the signature does not fit/)
})
