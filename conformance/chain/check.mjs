// Contract wallets sign in to a node and sign operations: Safes, wallets that are not deployed yet, keys with code on
// loan, contracts that lie; over upstreams that lie, hang and reorganise. Solana accounts sign in, too.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeFunctionData, serializeErc6492Signature, toHex } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { Checks } from '../checks.mjs'
import { must, startNode } from '../node.mjs'
import { anvilProgram, compile, startChain } from './anvil.mjs'
import { names } from './ens.mjs'
import { gates } from './gates.mjs'
import { put } from './operations.mjs'
import { replicas } from './replicas.mjs'
import { deploySafes, makeSafe } from './safe.mjs'
import { safeFace } from './safe-face.mjs'
import { sockets } from './sockets.mjs'
import { solana } from './solana.mjs'
import { found, never, startUpstream } from './upstreams.mjs'
import { walletFace } from './wallet-face.mjs'

const checks = new Checks()
// Each node and chain ends with this process, however that ends.
process.setMaxListeners(32)
const program = anvilProgram()
if (program) {
  await run()
} else {
  checks.cannotRun('contract wallets', '`@foundry-rs/anvil` has no program for this machine')
}
checks.close()
// Libraries of wallets leave timers behind that would keep the process for minutes.
process.exit()

async function run () {
  const chain = await startChain(program)
  const counted = await startUpstream(chain)
  const node = await startNode({ settings: settings([counted.url]) })
  try {
    await plainKeys(node, counted)
    await solana({ checks, node, post })
    const contracts = await deployContracts(chain)
    await safes(chain, node)
    await undeployed(chain, node, contracts)
    await keysWithCode(chain, node, contracts)
    await oddContracts(chain, node, contracts)
    await providers(chain, node, contracts)
    const safe = await safeFace({ chain, checks, node, post, until, signIn, owners })
    await replicas({ chain, checks, settings, signIn, post, until, safe })
    await names({ chain, checks, contracts, settings, signIn, until })
    await gates({ chain, checks, node, settings, signIn, until })
    await upstreams(chain, contracts)
  } catch (error) {
    await checks.check('the checks ran to their end', () => { throw error })
  } finally {
    await node.stop()
    counted.stop()
    await chain.stop()
  }
}

function settings (urls, more = '') {
  return `[chains.31337]\nurls = ${JSON.stringify(urls)}\n${more}`
}

/** Posts JSON; gives the status and what was answered. */
async function post (node, path, body, token) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) }
  const response = await node.anonymous(path, { method: 'POST', headers, body: JSON.stringify(body) })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

/** Signs in; `sign` makes a signature of the message. */
async function signIn (node, account, sign) {
  const asked = await post(node, '/-/session/challenge', { account })
  if (asked.status !== 200) return asked
  const { message } = asked.body
  const signature = await sign(message)
  return post(node, '/-/session', { message, signature })
}

async function statusOf (signingIn) {
  return (await signingIn).status
}

function contractAccount (address) {
  return `eip155:31337:${address.toLowerCase()}`
}

async function anySignature () {
  return toHex(new Uint8Array(65).fill(27))
}

async function plainKeys (node, counted) {
  const account = privateKeyToAccount(generatePrivateKey())
  await checks.equal('a plain key signs in', await statusOf(signIn(node, account.address, message => account.signMessage({ message }))), 201)
  await node.fetch(`${node.core}/-/content/a.txt`, { method: 'PUT', body: 'a' })
  await checks.equal('plain keys cost no call', counted.calls, [])
  await checks.equal('a chain that nobody is asked about', await statusOf(signIn(node, `eip155:10:${account.address.toLowerCase()}`, anySignature)), 501)
}

async function deployContracts (chain) {
  const contracts = compile()
  const at = {}
  for (const name of ['WalletFactory', 'SaysYes', 'SaysYesTheOldWay', 'Burns', 'Reverts', 'SaysTooLittle', 'SaysTooMuch', 'Speaks']) {
    at[name] = await chain.deploy(contracts[name])
  }
  await chain.settle()
  return { ...contracts, at }
}

/** Accounts of the chain with their private keys. */
function owners (chain, from, count) {
  return chain.accounts.slice(from, from + count).map(account => ({ account, address: account.address, key: toHex(account.getHdKey().privateKey) }))
}

async function safes (chain, node) {
  const three = owners(chain, 0, 3)
  for (const [version, from] of [['1.4.1', '@safe-global/safe-contracts'], ['1.5.0', '@safe-global/safe-smart-account']]) {
    const networks = await deploySafes(chain, from)
    const safe = await makeSafe(chain, networks, three, 2)
    const account = contractAccount(safe.address)
    await checks.equal(`Safe ${version} that is not final yet`, await statusOf(signIn(node, account, text => safe.sign(text, [0, 1]))), 401)
    await chain.settle()
    const opened = await until(({ status }) => status === 201, () => signIn(node, account, text => safe.sign(text, [2, 0])))
    await checks.equal(`Safe ${version}: two of three sign in`, opened.status, 201)
    await checks.equal(`Safe ${version}: one of three does not`, await statusOf(signIn(node, account, text => safe.sign(text, [1]))), 401)
    if (opened.status === 201) {
      await safeSigns(chain, node, version, safe, account, opened.body)
    }
  }
}

/** The session of a Safe writes, and the Safe itself signs the operation that ends it. */
async function safeSigns (chain, node, version, safe, account, { token, id, path }) {
  const authorization = `Bearer ${token}`
  await checks.check(`Safe ${version}: its session writes`, () =>
    must(node.anonymous(`${path}/-/content/note.txt`, { method: 'PUT', headers: { authorization }, body: 'of a Safe' })))
  const end = async signers => {
    const { body } = await post(node, '/-/session/end/challenge', { account, session: id })
    return post(node, '/-/session/end', { nonce: body.nonce, signature: await safe.sign(body.message, signers) })
  }
  await checks.equal(`Safe ${version}: one of three ends no session`, (await end([0])).status, 401)
  const other = await signIn(node, account, text => safe.sign(text, [0, 1]))
  if (version === '1.4.1') await operations(chain, node, safe, account, other.body)
  await checks.equal(`Safe ${version}: two of three sign an operation`, (await end([1, 2])).status, 204)
  const gone = await node.anonymous('/-/session', { headers: { authorization } })
  await checks.equal(`Safe ${version}: and it counts`, gone.status, 401)
  const log = await node.anonymous(`${path}/-/ops`, { headers: { authorization: `Bearer ${other.body.token}` } })
  const { ops } = await log.json()
  const logout = ops.find(({ verb }) => verb === 'logout')
  await checks.equal(`Safe ${version}: it stands in the log`, { by: logout?.by, effective: logout?.effective }, { by: account, effective: true })
  await checks.check(`Safe ${version}: a core travels with such signatures`, () => replica(node, safe, account, path, other.body.token))
}

/** Operations that a Safe signs itself, at blocks that are final, that are not yet, and that are reorganised away. */
async function operations (chain, node, safe, account, { token, core, path }) {
  const authorization = `Bearer ${token}`
  const heads = async () => (await (await node.anonymous(`${path}/-/heads`, { headers: { authorization } })).json()).heads
  const make = async name => put({ core, heads: await heads(), by: account, path: 'profile/name', value: name })
  const send = async (op, signers, block) => {
    const { status, body } = await post(node, `${path}/-/ops`, op.signed(await safe.sign(op.text, signers), block), token)
    return status === 201 ? body.ops[0].effective : status
  }
  const first = await make('one')
  await checks.equal('one owner of a Safe signs no operation', await send(first, [1]), 422)
  await checks.equal('two owners of a Safe sign an operation', await send(first, [1, 0]), true)
  const final = await chain.client.getBlock({ blockTag: 'finalized' })
  await checks.equal('at a block that they name', await send(await make('two'), [0, 2], final), true)
  await checks.equal('at a block of another hash', await send(await make('three'), [0, 2], { ...final, hash: toHex(7, { size: 32 }) }), 425)
  const newest = await chain.client.getBlock()
  const late = await make('four')
  await checks.equal('at a block that is not final', await send(late, [0, 1], newest), 425)
  const alone = async at => (await post(node, `${at}/-/ops`, late.signed(await safe.sign(late.text, [0, 1]), newest))).status
  await checks.equal('who has no session hears so, too, wherever that is posted', [await alone(path), await alone(`/@${chain.accounts[7].address}`)], [425, 425])
  await chain.test.request({ method: 'anvil_reorg', params: [1, []] })
  await chain.settle()
  const instead = await until(({ number }) => number >= newest.number, () => chain.client.getBlock({ blockTag: 'finalized' }))
  await checks.equal('the block was reorganised away', (await chain.client.getBlock({ blockNumber: newest.number })).hash === newest.hash, false)
  await until(status => status === true, () => make('five').then(async op => send(op, [0, 1], instead)))
  await checks.equal('what is reorganised away never counts', await send(late, [0, 1], newest), 425)
  await checks.equal('and counts at a block that stayed', await send(late, [0, 1]), true)
}

/** A second node takes the core from an export, and finds the same to be good. */
async function replica (node, safe, account, path, token) {
  const car = await must(node.anonymous(`${path}/-/car`, { headers: { authorization: `Bearer ${token}` } }))
  const second = await startNode({ settings: settings([safe.chainUrl]), person: false })
  try {
    const opened = await signIn(second, account, text => safe.sign(text, [0, 2]))
    const headers = { authorization: `Bearer ${opened.body.token}`, 'content-type': 'application/vnd.ipld.car' }
    await must(second.anonymous('/-/car', { method: 'POST', headers, body: await car.arrayBuffer() }))
    await checks.check('and passes a check', () => verified(node, safe, path, token, second))
    const ids = async (at, bearer) => {
      const page = await must(at.anonymous(`${path}/-/ops`, { headers: { authorization: `Bearer ${bearer}` } }))
      return (await page.json()).ops.map(({ id, effective }) => `${id} ${effective}`)
    }
    const [here, there] = [await ids(node, token), await ids(second, opened.body.token)]
    if (JSON.stringify(here) !== JSON.stringify(there)) throw new Error(`${here} is not ${there}`)
  } finally {
    await second.stop()
  }
}

/** `kubelt verify` says what rests on the chain, and asks it where it is told to. */
async function verified (node, safe, path, token, { dir, run, json }) {
  const car = await must(node.anonymous(`${path}/-/car`, { headers: { authorization: `Bearer ${token}` } }))
  const file = join(dir, 'safe.car')
  writeFileSync(file, Buffer.from(await car.arrayBuffer()))
  const offline = await json(['verify', file])
  const kinds = offline.on_chain.map(({ kind }) => kind)
  if (offline.chains_asked || !kinds.includes('operation') || !kinds.includes('sign-in')) throw new Error(JSON.stringify(offline))
  const words = String(await run(['verify', file]))
  if (!words.includes('if contract wallets signed')) throw new Error(words)
  const online = await json(['verify', file, '--rpc', `31337=${safe.chainUrl}`])
  if (!online.chains_asked || online.ops_effective !== offline.ops_effective) throw new Error(JSON.stringify(online))
  // A chain that says no, and one that says nothing.
  const denies = await startUpstream({ url: safe.chainUrl }, ({ method }, ask) => method === 'eth_call' ? found(0) : ask())
  for (const [url, why] of [[denies.url, 'does not accept'], ['http://127.0.0.1:1', 'gave no answer']]) {
    const said = await run(['verify', file, '--rpc', `31337=${url}`]).then(() => 'sound', ({ stderr }) => String(stderr))
    if (!said.includes(why)) throw new Error(said)
  }
  denies.stop()
}

async function undeployed (chain, node, { WalletFactory, OwnedWallet, at }) {
  const owner = privateKeyToAccount(generatePrivateKey())
  const stranger = privateKeyToAccount(generatePrivateKey())
  const salt = toHex(7, { size: 32 })
  const plan = { address: at.WalletFactory, abi: WalletFactory.abi, args: [owner.address, salt] }
  const address = await chain.client.readContract({ ...plan, functionName: 'addressOf' })
  const account = contractAccount(address)
  const data = encodeFunctionData({ abi: WalletFactory.abi, functionName: 'deploy', args: [owner.address, salt] })
  const wrap = (signature, to = at.WalletFactory) => serializeErc6492Signature({ address: to, data, signature })
  const wrapped = (key, to) => async message => wrap(await key.signMessage({ message }), to)
  await checks.equal('a wallet that is not there yet', await statusOf(signIn(node, account, wrapped(owner))), 201)
  await checks.equal('one that a stranger signs for', await statusOf(signIn(node, account, wrapped(stranger))), 401)
  await checks.equal('one whose factory makes nothing', await statusOf(signIn(node, account, wrapped(owner, at.SaysYes))), 401)
  await checks.equal('one without its deployment', await statusOf(signIn(node, account, message => owner.signMessage({ message }))), 401)
  await checks.equal('a wrapping that is none', await statusOf(signIn(node, account, async () => `0x${'6492'.repeat(16)}`)), 401)
  await chain.send(chain.accounts[0], { to: at.WalletFactory, data })
  await chain.settle()
  const unwrapped = await until(({ status }) => status === 201, () => signIn(node, account, message => owner.signMessage({ message })))
  await checks.equal('it is there now', unwrapped.status, 201)
  await checks.equal('it is there now, and still wrapped', await statusOf(signIn(node, account, wrapped(owner))), 201)
  await handedOn(chain, node, OwnedWallet)
}

/** A wallet changes hands: who had it has it no more. */
async function handedOn (chain, node, { abi, bytecode }) {
  const [, old, next] = chain.accounts
  const address = await chain.deploy({ abi, bytecode }, [old.address])
  await chain.settle()
  const by = key => statusOf(signIn(node, contractAccount(address), message => key.signMessage({ message })))
  await until(status => status === 201, () => by(old))
  await checks.equal('a wallet in old hands', [await by(old), await by(next)], [201, 401])
  const data = encodeFunctionData({ abi, functionName: 'handOn', args: [next.address] })
  await chain.send(old, { to: address, data })
  await chain.settle()
  await until(status => status === 201, () => by(next))
  await checks.equal('a wallet in new hands', [await by(old), await by(next)], [401, 201])
}

/** Tries again for a while, until it is so; gives what was tried last. A node takes a final block for the last for a moment. */
async function until (isSo, attempt) {
  for (let tries = 0; ; tries++) {
    const tried = await attempt()
    if (tries === 40 || isSo(tried)) return tried
    await new Promise(done => setTimeout(done, 200))
  }
}

/** EIP-7702: a plain key whose account runs the code of a contract that accepts everything. */
async function keysWithCode (chain, node, { at }) {
  const key = chain.accounts[3]
  const wallet = chain.wallet(key)
  const authorization = await wallet.signAuthorization({ contractAddress: at.SaysYes, executor: 'self' })
  await chain.send(key, { to: chain.accounts[0].address, authorizationList: [authorization] })
  await chain.settle()
  const code = await chain.client.getCode({ address: key.address })
  await checks.equal('the key has code', code, `0xef0100${at.SaysYes.slice(2)}`)
  await checks.equal('it signs in as a key', await statusOf(signIn(node, key.address, message => key.signMessage({ message }))), 201)
  await checks.equal('its code does not speak for it', await statusOf(signIn(node, key.address, anySignature)), 401)
  await until(status => status === 201, () => statusOf(signIn(node, contractAccount(at.SaysYes), anySignature)))
  const wrapped = serializeErc6492Signature({ address: at.SaysYes, data: '0x', signature: '0x1234' })
  for (const [name, sign] of [['a signature', anySignature], ['a wrapped one', async () => wrapped]]) {
    await checks.equal(`nor as a contract, by ${name}`, await statusOf(signIn(node, contractAccount(key.address), sign)), 401)
  }
}

/** A plain key's core as the provider of programs made for wallets. */
async function providers (chain, node, { SaysYes, Speaks, at }) {
  const key = chain.accounts[5]
  const { body } = await signIn(node, key.address, message => key.signMessage({ message }))
  const [tools, person] = [{ chain, checks, node, post, until }, { key, token: body.token, id: body.id, path: body.path }]
  await walletFace({ ...tools, at, abi: SaysYes.abi }, person)
  await sockets({ ...tools, speaks: { abi: Speaks.abi, address: at.Speaks } }, person)
}

async function oddContracts (chain, node, { at }) {
  const by = name => statusOf(signIn(node, contractAccount(at[name]), anySignature))
  await checks.equal('one that accepts everything speaks for itself', await by('SaysYes'), 201)
  await checks.equal('the first form of ERC-1271', await by('SaysYesTheOldWay'), 201)
  for (const name of ['Burns', 'Reverts', 'SaysTooLittle', 'SaysTooMuch', 'WalletFactory']) {
    await checks.equal(`\`${name}\` accepts nothing`, await by(name), 401)
  }
  await checks.equal('nobody is there', await statusOf(signIn(node, contractAccount(`0x${'ab'.repeat(20)}`), anySignature)), 401)
}

/** Whether a wallet that accepts nothing, and one that accepts everything, sign in over these upstreams. */
async function over (upstreams, { at }, more) {
  const node = await startNode({ settings: settings(upstreams.map(({ url }) => url), more), person: false })
  try {
    const by = name => statusOf(signIn(node, contractAccount(at[name]), anySignature))
    return [await by('Reverts'), await by('SaysYes')]
  } finally {
    await node.stop()
  }
}

async function upstreams (chain, contracts) {
  const started = []
  const start = async answer => {
    const upstream = await startUpstream(chain, answer)
    started.push(upstream)
    return upstream
  }
  const lying = number => ({ method }, ask) => method === 'eth_call' ? found(number) : ask()
  const honest = await start()
  const second = await start()
  const saysYes = await start(lying(1))
  const saysNo = await start(lying(0))
  const hangs = await start(never)
  const refuses = await start(() => { throw new Error('no more of you today') })
  const odd = await start(({ method }, ask) => method === 'eth_call' ? '0x' : ask())
  const elsewhere = await start(({ method }, ask) => method === 'eth_chainId' ? '0x1' : ask())
  const old = await start(async ({ method, params }, ask) => method === 'eth_getBlockByNumber' && params[0] === 'finalized' ? { number: '0x0', hash: toHex(1, { size: 32 }), timestamp: '0x1' } : ask())
  const cases = [
    ['one liar is believed where there is no other', [saysYes], [201, 201]],
    ['two that contradict each other', [saysYes, honest], [425, 201]],
    ['two, one of which denies', [honest, saysNo], [401, 425]],
    ['a liar among three', [saysYes, honest, second], [401, 201]],
    ['one that hangs', [hangs, honest], [401, 201], 'agree = 1'],
    ['one that hangs, of three', [hangs, honest, second], [401, 201]],
    ['one that refuses', [refuses, honest], [401, 201], 'agree = 1'],
    ['one that answers nonsense', [odd, honest], [401, 201], 'agree = 1'],
    ['one of another chain', [elsewhere, honest], [401, 201], 'agree = 1'],
    ['one that is far behind', [old, honest, second], [401, 201]],
    ['nobody answers', [refuses, hangs], [425, 425]]
  ]
  await Promise.all(cases.map(([name, of, expected, more]) => checks.check(name, async () => {
    const statuses = await over(of, contracts, more)
    if (String(statuses) !== String(expected)) throw new Error(`${statuses} is not ${expected}`)
  })))
  started.forEach(({ stop }) => stop())
}
