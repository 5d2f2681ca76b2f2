// Gates: what somebody holds on a chain opens content of a core, and closes it again.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeFunctionData, toFunctionSelector, toHex } from 'viem'
import { startNode } from '../node.mjs'
import { compile } from './anvil.mjs'
import { holders } from './holders.mjs'
import { startUpstream } from './upstreams.mjs'

/**
 * @param {object} tools the chain, the checks, a node of that chain with somebody signed in, and `signIn`, `settings` and
 *   `until` of these checks
 */
export async function gates (tools) {
  const { chain, checks, node } = tools
  const contracts = compile('tokens.sol')
  const at = {}
  for (const [name, contract] of Object.entries(contracts)) at[name] = await chain.deploy(contract)
  const send = (name, functionName, args, from = chain.accounts[0]) =>
    chain.send(from, { to: at[name], data: encodeFunctionData({ abi: contracts[name].abi, functionName, args }) })
  await node.run(['put', '@me/vip/a.txt', '-', '--members'], { input: 'for holders' })
  const people = { ann: await person(tools, node, 5), bob: await person(tools, node, 6) }
  const world = { ...tools, at, send, people, vip: reads(node, `${node.core}/vip/a.txt`) }
  await transfers(world)
  await kinds(world)
  await oddContracts(world)
  await holders(world)
  await liars(world)
}

async function person ({ chain, signIn }, node, index) {
  const key = chain.accounts[index]
  const { body } = await signIn(node, key.address, message => key.signMessage({ message }))
  return { key, address: key.address, token: body.token }
}

function reads (node, path) {
  return async person => {
    const headers = person ? { authorization: `Bearer ${person.token}` } : {}
    const response = await node.anonymous(path, { headers })
    await response.arrayBuffer()
    return response.status
  }
}

async function set ({ node }, ...more) {
  await node.run(['gate', 'set', '@me', 'holders', '--opens', 'content/vip/**', '--keep', '1', ...more])
}

async function transfers (world) {
  const { at, checks, node, people: { ann, bob }, send, until, vip } = world
  await set(world, '--erc721', `31337:${at.Pass}:7`)
  await checks.equal('a token that nobody has opens nothing', await vip(ann), 404)
  await send('Pass', 'mint', [ann.address, 7n])
  await checks.equal('the holder of a token reads', await until(status => status === 200, () => vip(ann)), 200)
  await checks.equal('a stranger does not', [await vip(bob), await vip()], [404, 404])
  const headers = { authorization: `Bearer ${ann.token}` }
  const { headers: answered } = await node.anonymous(`${node.core}/vip/a.txt`, { headers })
  await checks.check('nobody else may keep the answer', () => {
    if (!/private|no-store/.test(answered.get('cache-control'))) throw new Error(answered.get('cache-control'))
  })
  const listed = await node.anonymous(`${node.core}/vip/`, { headers })
  await checks.equal('the holder sees what there is', listed.status, 200)
  await send('Pass', 'transferFrom', [ann.address, bob.address, 7n], ann.key)
  await checks.equal('a transfer lets the new holder in', await until(status => status === 200, () => vip(bob)), 200)
  await checks.equal('and the old one out', await until(status => status === 404, () => vip(ann)), 404)
  const no = await node.json(['gate', 'check', '@me', 'holders', ann.address])
  await checks.equal('the owner learns why not', [no.passes, no.tests[0].why], ['no', `its owner is ${bob.address}`])
  await checks.equal('and at which block', no.blocks[0].chain, 31337)
  await send('Pass', 'burn', [7n])
  await checks.equal('a burnt token is nobody\'s', await until(status => status === 404, () => vip(bob)), 404)
}

async function kinds (world) {
  const { at, checks, node, people: { ann, bob }, send, until, vip } = world
  await send('Coin', 'mint', [ann.address, 10n ** 18n])
  await send('Items', 'mint', [bob.address, 3n, 2n])
  const both = async () => [await vip(ann), await vip(bob)]
  const becomes = async (name, expected) =>
    checks.equal(name, await until(found => String(found) === String(expected), both), expected)
  await set(world, '--erc20', `31337:${at.Coin}:${10n ** 18n}`)
  await becomes('so much of a currency', [200, 404])
  await set(world, '--erc20', `31337:${at.Coin}:${10n ** 18n + 1n}`)
  await becomes('and not one unit less', [404, 404])
  await set(world, '--erc1155', `31337:${at.Items}:3:2`)
  await becomes('so many of a token', [404, 200])
  await set(world, '--any', '--erc20', `31337:${at.Coin}:1`, '--erc1155', `31337:${at.Items}:3`)
  await becomes('one or the other', [200, 200])
  await set(world, '--erc20', `31337:${at.Coin}:1`, '--erc1155', `31337:${at.Items}:3`)
  await becomes('one and the other', [404, 404])
  const file = condition => {
    const path = join(node.dir, 'condition.json')
    writeFileSync(path, JSON.stringify(condition))
    return ['--if', path]
  }
  const coins = { erc20: { chain: 31337, contract: at.Coin.toLowerCase(), min: '1' } }
  await set(world, ...file({ not: coins }))
  await becomes('who has none', [404, 200])
  const data = `${toFunctionSelector('debtOf(address)')}{holder}`
  const minusFive = toHex(-5n, { size: 32, signed: true })
  const call = is => ({ call: { chain: 31337, contract: at.Debts.toLowerCase(), data, word: 1, signed: true, is, value: minusFive } })
  await set(world, ...file(call('le')))
  await becomes('any call, compared with a sign', [200, 200])
  await set(world, ...file(call('gt')))
  await becomes('and it does not hold', [404, 404])
}

async function oddContracts (world) {
  const { at, checks, people: { ann }, node, vip } = world
  for (const name of ['Mumbles', 'Furnace', 'Debts']) {
    await set(world, '--erc20', `31337:${at[name]}:1`)
    await checks.equal(`${name} opens nothing`, await vip(ann), 404)
    const { passes } = await node.json(['gate', 'check', '@me', 'holders', ann.address])
    await checks.equal(`${name} has no answer`, passes, 'unknown')
  }
  await set(world, '--erc20', '10:0x00000000000000000000000000000000000000c0:1')
  await checks.equal('a chain that nobody is asked about opens nothing', await vip(ann), 404)
}

/** Of two upstreams one says that everybody has everything. */
async function liars (world) {
  const { at, chain, checks, settings, until } = world
  const honest = await startUpstream(chain)
  let lies = true
  const liar = await startUpstream(chain, async (call, ask) => {
    const result = await ask()
    return lies && call.method === 'eth_call' ? result.slice(0, -64) + 'f'.repeat(64) : result
  })
  const node = await startNode({ settings: settings([liar.url, honest.url]) })
  try {
    await node.run(['put', '@me/vip/a.txt', '-', '--members'], { input: 'for holders' })
    const nobody = await person(world, node, 6)
    const holder = await person(world, node, 7)
    const vip = reads(node, `${node.core}/vip/a.txt`)
    await set({ node }, '--erc20', `31337:${at.Coin}:1`)
    await checks.equal('one upstream that lies opens nothing', await vip(nobody), 404)
    lies = false
    await world.send('Coin', 'mint', [holder.address, 1n])
    await checks.equal('two that agree do', await until(status => status === 200, () => vip(holder)), 200)
    await checks.equal('and to nobody else', await vip(nobody), 404)
  } finally {
    await node.stop()
    liar.stop()
    honest.stop()
  }
}
