import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkGate, type Gate, gatesOf, gateValue, listGates, removeGate, setGate } from '../../src/gates/gates.js'
import { someone, team } from './people.js'
import { start, type TestNode } from './start.js'

const NFT = { erc721: { chain: 1, contract: '0xBC4CA0EdA7647A8aB7C2061c2E118A18a936f13D' } }
const GATE: Gate = {
  opens: ['content/vip/**'],
  if: { any: [NFT, { not: NFT }] },
  at: 'finalized',
  keep: 60,
  shown: true,
}

let node: TestNode
beforeAll(async () => {
  // Nobody answers there: whoever is asked about, nobody knows.
  node = await start('[chains.1]\nurls = ["http://127.0.0.1:9"]\n')
})
afterAll(() => node.stop())

test('a gate is set, listed, tried, and removed', async () => {
  const [ann, bob] = [await someone(node), await someone(node)]
  const core = await team(ann)
  await setGate(core, 'holders', GATE)
  expect((await core.sync()).refused).toEqual([])
  const [gate] = await listGates(core)
  expect(gate).toMatchObject({ name: 'holders', opens: ['content/vip/**'], at: 'finalized', keep: 60, shown: true })
  expect(gate?.condition.join('\n')).toContain(NFT.erc721.contract)
  expect([...gatesOf(core).keys()]).toEqual(['holders'])

  const trial = await checkGate(core, 'holders', bob.account)
  expect(trial).toMatchObject({ gate: 'holders', account: bob.account, passes: 'unknown' })
  expect(trial.tests).toHaveLength(2)
  expect(trial.tests[0]?.why).not.toBe('')
  // Strangers ask about themselves.
  expect(await checkGate({ session: bob.session, id: core.id }, 'holders')).toMatchObject({ account: bob.account })
  await expect(checkGate({ session: bob.session, id: core.id }, 'holders', ann.account)).rejects.toMatchObject({
    code: 'forbidden',
  })
  await expect(checkGate(core, 'other', bob.account)).rejects.toMatchObject({ code: 'not-found' })
  await expect(checkGate(core, 'holders', 'nobody')).rejects.toMatchObject({ code: 'bad-account' })
  await removeGate(core, 'holders')
  await core.sync()
  expect([await listGates(core), gatesOf(core).size]).toEqual([[], 0])
})

test('what is no gate is not set, and says why', async () => {
  const nested = (levels: number): Gate['if'] => (levels === 0 ? NFT : { not: nested(levels - 1) })
  const bad: [Gate, RegExp][] = [
    [{ ...GATE, opens: [] }, /1 to 16 patterns/],
    [{ ...GATE, opens: ['config/**'] }, /below `content\/` or `cores\/`/],
    [{ ...GATE, opens: ['content/*/a'] }, /only `\*\*` at the end/],
    [{ ...GATE, keep: 3_601 }, /1 to 3,600/],
    [{ ...GATE, if: { all: [] } }, /a condition at least/],
    [{ ...GATE, if: { ...NFT, not: NFT } as never }, /is one of/],
    [{ ...GATE, if: nested(5) }, /nest 4 levels/],
    [{ ...GATE, if: { any: Array(17).fill(NFT) } }, /16 tests/],
    [{ ...GATE, if: { erc721: { chain: 1, contract: `${NFT.erc721.contract.slice(0, -1)}d` } } }, /checksum/],
    [{ ...GATE, if: { erc721: { chain: 0, contract: NFT.erc721.contract } } }, /id of a chain/],
  ]
  for (const [gate, why] of bad) expect(() => gateValue(gate), String(why)).toThrow(why)
  expect(() => gateValue({ ...GATE, if: nested(4) })).not.toThrow()
  expect(() => gateValue({ ...GATE, if: { any: Array(16).fill(NFT) } })).not.toThrow()
})
