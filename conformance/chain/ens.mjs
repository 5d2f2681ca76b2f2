// Names of the Ethereum Name Service: its registry and resolver from their npm packages, a resolver of a whole branch
// (ENSIP-10), and one that wants others asked (EIP-3668). What ethers makes of each name is what the node must.

import { createRequire } from 'node:module'
import { EnsPlugin, JsonRpcProvider, Network, ensNormalize, namehash as ethersNamehash } from 'ethers'
import { keccak256, toHex, zeroHash } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { must, startNode } from '../node.mjs'

const require = createRequire(import.meta.url)
const label = text => keccak256(toHex(text))

/**
 * @param tools `chain`, `checks`, `contracts` (of `wallets.sol`), `settings`, `signIn`, `post`, `until` of the caller
 */
export async function names (tools) {
  const service = await deployService(tools)
  const { checks, settings, chain } = tools
  const node = await startNode({ settings: `${settings([chain.url])}\n[ens]\nchain = 31337\nregistry = '${service.registry}'` })
  try {
    await lookUps(tools, service, node)
    await changingHands(tools, service, node)
    await granted(tools, service, node)
    await found(tools, service, node)
  } finally {
    await node.stop()
    service.ethers.destroy()
  }
  const bare = await startNode({ settings: settings([chain.url]), person: false })
  try {
    const { status, text } = await answer(bare, '/@alice.eth/a.txt')
    await checks.equal('without a chain of names it is said so', [status, text.includes('[chains.1]')], [501, true])
  } finally {
    await bare.stop()
  }
}

/** The registry with `eth`, and a resolver; `name(label, fields)` gives out a name. */
async function deployService ({ chain, contracts }) {
  const owner = chain.accounts[0]
  const registryOf = require('@ensdomains/ens/build/contracts/ENSRegistry.json')
  const resolverOf = require('@ensdomains/resolver/build/contracts/PublicResolver.json')
  const registry = await chain.deploy(registryOf)
  const resolver = await chain.deploy(resolverOf, [registry])
  const branch = await chain.deploy(contracts.BranchResolver, [chain.accounts[7].address])
  const away = await chain.deploy(contracts.AwayResolver)
  const write = async (address, abi, functionName, args) => {
    const hash = await chain.wallet(owner).writeContract({ address, abi, functionName, args })
    return chain.client.waitForTransactionReceipt({ hash })
  }
  const own = (parent, name, at) => write(registry, registryOf.abi, 'setSubnodeRecord', [parent, label(name), owner.address, at, 0n])
  await write(registry, registryOf.abi, 'setSubnodeOwner', [zeroHash, label('eth'), owner.address])
  const node = name => ethersNamehash(name)
  const point = (name, address) => write(resolver, resolverOf.abi, 'setAddr', [node(name), address])
  const tell = (name, key, text) => write(resolver, resolverOf.abi, 'setText', [node(name), key, text])
  await own(node('eth'), 'branch', branch)
  await own(node('eth'), 'away', away)
  await own(node('eth'), 'empty', resolver)
  await own(node('eth'), 'nocode', '0x00000000000000000000000000000000000000aa')
  const network = new Network('anvil', chain.id)
  network.attachPlugin(new EnsPlugin(registry, chain.id))
  const ethers = new JsonRpcProvider(chain.url, network, { staticNetwork: network, cacheTimeout: -1 })
  const give = async (name, address) => {
    await own(node(name.slice(name.indexOf('.') + 1)), name.slice(0, name.indexOf('.')), resolver)
    await point(name, address)
  }
  return { registry, resolver, branch, ethers, give, point, tell }
}

async function answer (node, path, init) {
  const response = await node.anonymous(path, init)
  return { status: response.status, text: await response.text() }
}

async function lookUps ({ chain, checks, contracts }, service, node) {
  const [, , , , , alice] = chain.accounts
  const contract = await chain.deploy(contracts.SaysYes)
  await service.give('alice.eth', alice.address)
  await service.give('bücher.eth', chain.accounts[6].address)
  await service.give('sub.alice.eth', chain.accounts[6].address)
  await service.give('safe.eth', contract)
  await chain.settle()
  const look = async name => JSON.parse((await answer(node, `/-/ens/${encodeURIComponent(name)}`)).text)
  for (const name of ['alice.eth', 'ALICE.eth', 'bücher.eth', 'BÜCHER.ETH', 'sub.alice.eth', 'safe.eth', 'any.branch.eth', 'a.b.branch.eth', 'branch.eth']) {
    const { name: normal, address } = await look(name)
    await checks.equal(`\`${name}\` leads where ethers says`, { normal, address }, { normal: ensNormalize(name), address: await service.ethers.resolveName(name) })
  }
  await checks.equal('a contract is an account of its chain', (await look('safe.eth')).account, `eip155:31337:${contract.toLowerCase()}`)
  await checks.equal('at a final block', (await look('alice.eth')).block <= Number((await chain.client.getBlock({ blockTag: 'finalized' })).number), true)
  for (const [name, status] of [['nobody.eth', 404], ['x.empty.eth', 404], ['empty.eth', 404], ['nocode.eth', 404], ['away.eth', 501], ['x.away.eth', 501], ['а.eth', 400], ['a..eth', 400], ['alice.xyz', 400]]) {
    await checks.equal(`\`${name}\` leads nowhere`, (await answer(node, `/-/ens/${encodeURIComponent(name)}`)).status, status)
  }
}

/** What is at a name's address, and what the name opens. */
async function changingHands ({ chain, checks, signIn, until }, service, node) {
  const [one, other] = [generatePrivateKey(), generatePrivateKey()].map(privateKeyToAccount)
  for (const key of [one, other]) {
    const { body } = await signIn(node, key.address, message => key.signMessage({ message }))
    const put = (path, text) => must(node.anonymous(`${body.path}/-/content/${path}`, { method: 'PUT', headers: { authorization: `Bearer ${body.token}` }, body: text }))
    await put('a.txt?visibility=public', key.address)
    await put('own.txt', 'private')
  }
  await service.give('shop.eth', one.address)
  await chain.settle()
  const read = () => answer(node, '/@shop.eth/a.txt')
  await checks.equal('an address by its name', (await until(({ status }) => status === 200, read)).text, one.address)
  await checks.equal('the command line reads it', String(await node.run(['get', '@shop.eth/a.txt', '-o', '-'])), one.address)
  await checks.equal('what is private there', (await answer(node, '/@shop.eth/own.txt')).status, 404)
  await checks.equal('for others who signed in, too', (await node.fetch('/@shop.eth/-/content/own.txt')).status, 404)
  await service.point('shop.eth', other.address)
  await chain.settle()
  await checks.equal('within a minute it may lead where it led', (await read()).text, one.address)
}

/** An invite by name is bound to the address, and shows it. */
async function granted ({ chain, checks }, service, node) {
  const passphrase = ['--passphrase-file', `${node.dir}/passphrase`]
  await node.run(['core', 'create', '@me/acme', '--wallet', 'main', ...passphrase])
  const alice = chain.accounts[5].address
  const invite = await node.json(['member', 'invite', '@acme', 'Alice.eth', 'developer', ...passphrase])
  await checks.equal('an invite by name', invite.member.to.of, [alice.toLowerCase()])
  await service.point('alice.eth', chain.accounts[4].address)
  await chain.settle()
  const { members } = await node.json(['member', 'ls', '@acme'])
  await checks.equal('stays with whom it was given to', members.map(({ to }) => to.of[0]), [alice.toLowerCase()])
  const refused = await node.run(['member', 'invite', '@acme', 'nobody.eth', 'reader', ...passphrase]).then(() => 'invited', ({ stderr }) => String(stderr))
  await checks.equal('an invite of nobody', refused.includes('leads nowhere'), true)
}

/** A text record tells where a core is held. */
async function found ({ chain, checks, until }, service, node) {
  await service.tell('alice.eth', 'kubelt', 'core=nonsense host=/ip4/127.0.0.1/tcp/1/tls/p2p/12D3KooWGQmdpzHXCqLno4mMxWXKNFQHASBeF99gTm2JR8Vu5Bdc')
  await service.tell('sub.alice.eth', 'kubelt', '')
  await chain.settle()
  const why = name => node.run(['remote', 'add', '@me', name]).then(() => 'added', ({ stderr }) => String(stderr))
  await checks.check('the text record names a node', async () => {
    // It is dialled there, where nobody listens.
    const said = await until(said => !said.includes('leads nowhere'), () => why('alice.eth'))
    if (!/refused|reached/.test(said)) throw new Error(said)
  })
  await checks.check('a name without one', async () => {
    const said = await why('sub.alice.eth')
    if (!said.includes('leads nowhere')) throw new Error(said)
  })
}
