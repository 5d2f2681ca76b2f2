// Cores of contracts, content that is sealed to whoever holds a token, and gates while the chain reorganises.

import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toHex } from 'viem'

/** @param {object} world what `gates.mjs` has made: contracts `at` their addresses, `people`, `send`, and the tools */
export async function holders (world) {
  await coresOfContracts(world)
  await admission(world)
  await sealedToHolders(world)
  await reorganisations(world)
}

function passphrase (node) {
  return ['--passphrase-file', join(node.dir, 'passphrase')]
}

/** What a command says that is to fail. */
async function refused (running) {
  return running.then(() => 'done', ({ stderr }) => String(stderr))
}

async function status (node, path, person) {
  const headers = person ? { authorization: `Bearer ${person.token}` } : {}
  const response = await node.anonymous(path, { headers })
  await response.arrayBuffer()
  return response.status
}

async function coresOfContracts ({ at, checks, node, people: { ann, bob }, send, until }) {
  const pass = passphrase(node)
  await node.run(['config', '@me', 'template', JSON.stringify({ contract: { keep: 1 }, user: { gate: 'passes' } })])
  await send('Pass', 'mint', [ann.address, 21n])
  await send('Items', 'mint', [ann.address, 4n, 1n])
  const no = name => refused(node.run(['use', `@me/@31337:${at[name]}`, ...pass]))
  await checks.equal('an ERC-1155 wants a token', (await no('Items')).includes(':7`'), true)
  for (const name of ['Mumbles', 'Furnace', 'Debts']) {
    await checks.equal(`${name} is no contract of tokens`, (await no(name)).includes('no ERC-20'), true)
  }
  const cores = [['Pass', ''], ['Pass', ':21'], ['Items', ':4'], ['Coin', '']]
  for (const [name, token] of cores) {
    const core = `@me/@31337:${at[name]}${token}`
    await node.run(['use', core, ...pass])
    await node.run(['put', `${core}/drop.txt`, '-', '--public'], { input: 'for holders' })
  }
  const drop = (name, token) => person => status(node, `${node.core}/@31337:${at[name]}${token}/drop.txt`, person)
  for (const [name, token] of cores) {
    const read = drop(name, token)
    await checks.equal(`the holder of ${name}${token} reads its core`, await until(found => found === 200, () => read(ann)), 200)
    await checks.equal('and nobody else', [await read(), await read(bob)], [404, 404])
  }
  const read = drop('Pass', '')
  await send('Pass', 'transferFrom', [ann.address, bob.address, 21n], ann.key)
  await checks.equal('a transfer lets the new holder in', await until(found => found === 200, () => read(bob)), 200)
  await checks.equal('and the old one out', await until(found => found === 404, () => read(ann)), 404)
  const listed = String(await node.run(['gate', 'ls', '@me']))
  await checks.equal('its gate is there to see', listed.includes(`31337:${at.Pass.toLowerCase()}:21`), true)
}

async function admission ({ at, checks, node, people: { ann, bob } }) {
  const { core: { core } } = await node.json(['whoami'])
  await node.run(['gate', 'set', '@me', 'passes', '--opens', 'content/none', '--keep', '1', '--shown', '--erc721', `31337:${at.Pass}`])
  const post = (path, body) => node.anonymous(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  const enter = async ({ key, address }) => {
    const { message } = await (await post('/-/session/challenge', { account: address, within: core })).json()
    const answer = await post('/-/session', { message, signature: await key.signMessage({ message }) })
    return { status: answer.status, body: await answer.json() }
  }
  const no = await enter(ann)
  await checks.equal('who holds nothing gets no core of a user, and is told why', [no.status, no.body.detail.includes('it has 0')], [403, true])
  await checks.equal('who holds a token does', (await enter(bob)).status, 201)
}

/** Somebody with a wallet of the chain and a device, in a directory of their own. */
async function reader ({ chain, node }, index) {
  const dir = mkdtempSync(join(node.dir, 'person-'))
  writeFileSync(join(dir, 'key'), toHex(chain.accounts[index].getHdKey().privateKey).slice(2))
  const own = ['--config-dir', join(dir, 'config'), ...passphrase(node)]
  await node.run(['wallet', 'import', 'main', '--key-file', join(dir, 'key'), ...own])
  await node.run(['login', '--wallet', 'main', ...own])
  await node.run(['key', 'new', `device${index}`, ...own])
  const opens = path => node.run(['open', path, ...own]).then(String, ({ stderr }) => `refused: ${stderr}`)
  return { key: chain.accounts[index], address: chain.accounts[index].address, opens }
}

async function sealedToHolders (world) {
  const { at, checks, node, send, until } = world
  const [ann, bob] = [await reader(world, 3), await reader(world, 4)]
  const pass = passphrase(node)
  await node.run(['key', 'new', 'laptop', ...pass])
  await send('Pass', 'mint', [ann.address, 30n])
  await node.run(['gate', 'set', '@me', 'seat', '--opens', 'content/seat/**', '--keep', '1', '--erc721', `31337:${at.Pass}:30`])
  const sealed = await node.json(['seal', '-', '--to', 'gate:seat', '--as', '@me/seat/film', '--public'], { input: 'the film' })
  await checks.equal('it is sealed to the owner of the token, and to who sealed it', [sealed.gates, sealed.to.length], [['seat'], 2])
  const place = `@${node.account}/seat/film`
  await checks.equal('the holder opens it', await ann.opens(place), 'the film')
  await checks.equal('another does not', (await bob.opens(place)).startsWith('refused'), true)
  const sync = async () => (await node.json(['grant', 'sync', '@me', ...pass])).paths
  await checks.equal('as long as nothing changes nothing is done', await sync(), [{ path: 'seat/film', did: 'as it was' }])
  await send('Pass', 'transferFrom', [ann.address, bob.address, 30n], ann.key)
  const [done] = await until(([{ did }]) => did !== 'as it was', sync)
  await checks.equal('after a transfer it is sealed anew', [done.did, done.to.includes(bob.address.toLowerCase())], ['sealed anew with another key', true])
  await checks.equal('the new holder opens it', await bob.opens(place), 'the film')
  await checks.equal('the old one does not', (await ann.opens(place)).startsWith('refused'), true)
  await checks.equal('nor is the old ciphertext there', await status(node, `/ipfs/${sealed.cid}`), 404)
  await send('Pass', 'burn', [30n])
  const said = await until(said => said !== 'done', () => refused(node.run(['grant', 'sync', '@me', ...pass])))
  await checks.equal('where nobody can tell, nothing is done', said.includes('nothing was done'), true)
  await checks.equal('and it opens as before', await bob.opens(place), 'the film')
}

async function reorganisations ({ at, chain, checks, node, people: { ann, bob }, send, until }) {
  await send('Pass', 'mint', [ann.address, 40n])
  await chain.settle()
  const set = (...more) => node.run(['gate', 'set', '@me', 'holders', '--opens', 'content/vip/**', '--keep', '1', '--erc721', `31337:${at.Pass}:40`, ...more])
  const both = async () => [await status(node, `${node.core}/vip/a.txt`, ann), await status(node, `${node.core}/vip/a.txt`, bob)]
  const becomes = async (name, expected) =>
    checks.equal(name, await until(found => String(found) === String(expected), both), expected)
  const away = () => send('Pass', 'transferFrom', [ann.address, bob.address, 40n], ann.key)
  await set()
  await becomes('before the transfer', [200, 404])
  const before = await chain.test.snapshot()
  await away()
  await becomes('after it', [404, 200])
  await chain.test.revert({ id: before })
  // Other blocks in place of the one that had it.
  await chain.test.mine({ blocks: 2 })
  await becomes('a reorganisation takes the transfer back', [200, 404])
  await set('--at', 'finalized')
  await becomes('at a final block', [200, 404])
  const again = await chain.test.snapshot()
  await away()
  await checks.equal('a transfer that is not final yet changes nothing', await both(), [200, 404])
  await chain.test.revert({ id: again })
  await chain.settle()
  await becomes('nor does one that never was', [200, 404])
}
