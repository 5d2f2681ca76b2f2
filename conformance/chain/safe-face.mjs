// A Safe as a core's account: viem and ethers, unmodified, ask through the wallet face; its owners sign one by one, as Safe's
// protocol kit and the contracts on the chain judge; whoever likes sends what they signed.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Contract, FetchRequest, JsonRpcProvider, hashMessage } from 'ethers'
import { createWalletClient, http, parseEther, parseSignature, serializeSignature } from 'viem'
import { deploySafes, makeSafe } from './safe.mjs'

const require = createRequire(import.meta.url)
const MULTI_SEND = '0x9641d764fc13c8B624c04430C7356C1C7C8102e2'
const TYPES = { Order: [{ name: 'what', type: 'string' }, { name: 'count', type: 'uint256' }] }
const DOMAIN = { name: 'Shop', version: '1', chainId: 31337 }
const ORDER = { what: 'tea', count: 3n }

/** @param tools `chain`, `checks`, `node`, `post`, `until`, `signIn`, `owners` of the caller; gives the Safe */
export async function safeFace (tools) {
  const { chain, owners } = tools
  const networks = await deploySafes(chain, '@safe-global/safe-contracts')
  const safe = await makeSafe(chain, networks, owners(chain, 0, 3), 2, '77')
  await chain.test.setBalance({ address: safe.address, value: parseEther('10') })
  await chain.settle()
  const account = `eip155:31337:${safe.address}`
  const opened = await tools.until(({ status }) => status === 201, () => tools.signIn(tools.node, account, text => safe.sign(text, [0, 1])))
  const face = faceOf(tools, safe, opened.body)
  try {
    await messages(tools, safe, face)
    await transactions(tools, safe, face, networks)
    await several(tools, safe, face)
    await linked(tools, safe)
  } finally {
    face.provider.destroy()
  }
  return safe
}

/** The wallet face of a core, as programs and owners see it. */
function faceOf ({ chain, node, post, until, owners }, safe, { token, path }) {
  const rpc = `${node.url}${path}/-/rpc`
  const authorization = `Bearer ${token}`
  const transport = http(rpc, { fetchOptions: { headers: { authorization } }, timeout: 60_000, retryCount: 0 })
  const wallet = createWalletClient({ chain: chain.chain, transport, account: safe.address })
  const asked = new FetchRequest(rpc)
  asked.setHeader('authorization', authorization)
  const provider = new JsonRpcProvider(asked, undefined, { cacheTimeout: -1 })
  const keys = owners(chain, 0, 8).map(({ account }) => account)
  const list = async () => (await (await node.anonymous(`${path}/-/requests`, { headers: { authorization } })).json()).requests
  const waiting = async () => (await until(requests => requests.length > 0, list))[0]
  const answer = (id, body) => post(node, `${path}/-/requests/${id}/${body.result === undefined ? 'reject' : 'approve'}`, body.result === undefined ? {} : body, token)
  /** An owner signs what a request asks owners to sign. */
  const sign = async (request, index) => {
    const { domain, types, primaryType, message } = request.safe.typed_data
    const result = await keys[index].signTypedData({ domain, types, primaryType, message })
    return (await answer(request.id, { result })).status
  }
  return { rpc, authorization, wallet, provider, keys, list, waiting, answer, sign, path, token }
}

async function messages ({ checks, chain }, safe, face) {
  const { wallet, waiting, sign, answer, list, keys } = face
  await checks.equal('a Safe is the account of its core', (await wallet.getAddresses()).map(address => address.toLowerCase()), [safe.address])
  const asking = wallet.signMessage({ message: 'tea for three' })
  const request = await waiting()
  await checks.equal('its owners are asked in words', [request.safe.words.includes('signs the message "tea for three"'), request.safe.threshold, request.safe.owners.length], [true, 2, 3])
  await checks.equal('somebody else is no owner', await sign(request, 5), 422)
  await checks.equal('one owner signs', [await sign(request, 2), (await list()).map(({ safe }) => safe.signed)], [200, [[keys[2].address]]])
  // The other one's wallet signs the digest as a message.
  const { domain, types, primaryType, message } = request.safe.typed_data
  const { hashTypedData } = await import('viem')
  const raw = hashTypedData({ domain, types, primaryType, message })
  const parts = parseSignature(await keys[0].signMessage({ message: { raw } }))
  const result = `${serializeSignature(parts).slice(0, 130)}${parts.yParity === 0 ? '1f' : '20'}`
  await checks.equal('another signs in another way', (await answer(request.id, { result })).status, 200)
  const signature = await asking
  await checks.equal('viem verifies the signature on the chain', await chain.client.verifyMessage({ address: safe.address, message: 'tea for three', signature }), true)
  await checks.equal('and not of another message', await chain.client.verifyMessage({ address: safe.address, message: 'tea for two', signature }), false)
  await checks.equal('ethers asks the contract', await isValid(chain, safe, hashMessage('tea for three'), signature), '0x1626ba7e')
  const signer = await face.provider.getSigner(safe.address)
  const typed = signer.signTypedData(DOMAIN, TYPES, ORDER)
  const order = await waiting()
  await checks.equal('typed data is named', order.safe.words.includes('signs the typed data "Order" of "Shop"'), true)
  await checks.equal('two owners sign it', [await sign(order, 1), await sign(order, 0)], [200, 200])
  const data = { domain: DOMAIN, types: TYPES, primaryType: 'Order', message: ORDER }
  await checks.equal('what ethers got verifies on the chain', await chain.client.verifyTypedData({ address: safe.address, signature: await typed, ...data }), true)
  const whole = wallet.signMessage({ message: 'all at once' })
  const last = await waiting()
  await checks.equal('half of it is no signature', (await answer(last.id, { result: `${await safe.sign('all at once', [1])}00` })).status, 422)
  await checks.equal('what the protocol kit signs for one owner is a part', [(await answer(last.id, { result: await safe.sign('all at once', [1]) })).status, (await list())[0].safe.signed], [200, [keys[1].address]])
  await checks.equal('what the protocol kit put together is taken', (await answer(last.id, { result: await safe.sign('all at once', [1, 2]) })).status, 200)
  await checks.equal('and given to the program', await chain.client.verifyMessage({ address: safe.address, message: 'all at once', signature: await whole }), true)
}

async function isValid (chain, safe, hash, signature) {
  const provider = new JsonRpcProvider(chain.url, chain.id, { staticNetwork: true })
  try {
    return await new Contract(safe.address, ['function isValidSignature(bytes32,bytes) view returns (bytes4)'], provider).isValidSignature(hash, signature)
  } finally {
    provider.destroy()
  }
}

async function transactions ({ checks, chain }, safe, face) {
  const { wallet, waiting, sign, answer, list } = face
  const to = chain.accounts[7].address
  const before = await chain.client.getBalance({ address: to })
  const asking = wallet.sendTransaction({ to, value: parseEther('1.5') })
  const request = await waiting()
  await checks.equal('a transaction is shown in words', request.safe.words.includes(`sends 1.5 coins to ${to}`), true)
  await checks.equal('it is what the protocol kit would sign', request.safe.typed_data.message.nonce, String(await safe.kit.getNonce()))
  const second = await wallet.sendTransaction({ to, value: 1n }).catch(error => error.walk(({ code }) => code === -32005)?.code)
  await checks.equal('one transaction at a time', second, -32005)
  await checks.equal('one owner is not enough', [await sign(request, 1), (await list())[0].safe.execute], [200, undefined])
  await checks.equal('two are', await sign(request, 2), 200)
  const [{ safe: { execute } }] = await list()
  const built = await safe.kit.createTransaction({ transactions: [{ to, value: parseEther('1.5').toString(), data: '0x' }] })
  const { hashTypedData } = await import('viem')
  const { domain, types, primaryType, message } = request.safe.typed_data
  await checks.equal('the owners signed the hash of the protocol kit', hashTypedData({ domain, types, primaryType, message }), await safe.kit.getTransactionHash(built))
  const stray = await chain.send(chain.accounts[4], { to, value: 1n })
  await checks.equal('another transaction is not the one', (await answer(request.id, { result: stray.transactionHash })).status, 422)
  // Somebody who owns nothing of it sends it, and pays for the gas.
  const sent = await chain.send(chain.accounts[4], { to: execute.to, data: execute.data })
  await checks.equal('whoever sent it says so', (await answer(request.id, { result: sent.transactionHash })).status, 200)
  await checks.equal('the program has its hash', await asking, sent.transactionHash)
  await checks.equal('the Safe paid', await chain.client.getBalance({ address: to }) - before, parseEther('1.5') + 1n)
}

async function several ({ checks, chain, until }, safe, face) {
  const { wallet, waiting, sign, answer, list } = face
  const [one, two] = [chain.accounts[6].address, chain.accounts[7].address]
  const calls = [{ to: one, value: parseEther('1') }, { to: two, value: parseEther('2') }]
  const missing = await wallet.sendCalls({ calls, forceAtomic: true }).then(() => 'sent', error => String(error))
  await checks.equal('without `MultiSendCallOnly` there are no calls at once', missing.includes('MultiSendCallOnly'), true)
  await chain.test.setCode({ address: MULTI_SEND, bytecode: '0x60016000f3' })
  const other = await wallet.sendCalls({ calls, forceAtomic: true }).then(() => 'sent', error => String(error))
  await checks.equal('nor with other code in its place', other.includes('MultiSendCallOnly'), true)
  const path = require.resolve('@safe-global/safe-contracts/build/artifacts/contracts/libraries/MultiSendCallOnly.sol/MultiSendCallOnly.json')
  await chain.test.setCode({ address: MULTI_SEND, bytecode: JSON.parse(readFileSync(path, 'utf8')).deployedBytecode })
  const can = await wallet.getCapabilities()
  await checks.equal('a Safe makes several calls at once', can[chain.id].atomic.status, 'supported')
  const before = [await chain.client.getBalance({ address: one }), await chain.client.getBalance({ address: two })]
  const { id } = await wallet.sendCalls({ calls, forceAtomic: true })
  const request = await waiting()
  await checks.equal('all of them are said', [request.safe.words.includes(`sends 1 coins to ${one}`), request.safe.words.includes(`sends 2 coins to ${two}`)], [true, true])
  await checks.equal('they wait', (await wallet.getCallsStatus({ id })).status, 'pending')
  await sign(request, 0)
  await sign(request, 2)
  const [{ safe: { execute } }] = await list()
  const sent = await chain.send(chain.accounts[0], { to: execute.to, data: execute.data })
  await answer(request.id, { result: sent.transactionHash })
  const { status, atomic, receipts } = await until(({ status }) => status !== 'pending', () => wallet.getCallsStatus({ id }))
  await checks.equal('they are made in one transaction', [status, atomic, receipts.length], ['success', true, 1])
  const gained = [await chain.client.getBalance({ address: one }) - before[0], await chain.client.getBalance({ address: two }) - before[1]]
  await checks.equal('and each was made', gained, [parseEther('1'), parseEther('2')])
}

/** A shared core of plain keys speaks for a Safe that wants it. */
async function linked (tools, safe) {
  const { checks, node } = tools
  const passphrase = ['--passphrase-file', `${node.dir}/passphrase`]
  const { core } = await node.json(['core', 'create', '@me/firm', '--wallet', 'main', ...passphrase])
  const { sessions } = JSON.parse(readFileSync(`${node.dir}/config/sessions.json`, 'utf8'))
  const { token } = sessions[node.url]
  const face = faceOf(tools, safe, { token, path: `/@${core}` })
  const accounts = () => face.wallet.getAddresses().then(found => found.map(address => address.toLowerCase()))
  try {
    await checks.equal('a shared core of one key has that', await accounts(), [node.account])
    const account = `eip155:31337:${safe.address}`
    const asking = face.wallet.request({ method: 'kb_linkWallet', params: [account] })
    const request = await face.waiting()
    await checks.equal('a Safe is asked in words', request.safe.words.includes('link this wallet to a core'), true)
    await face.sign(request, 1)
    await face.sign(request, 0)
    const { path, value } = await asking
    const forged = { ...value, signature: { '/': { bytes: Buffer.alloc(130, 7).toString('base64').replace(/=+$/, '') } } }
    const setting = path.slice('config/'.length)
    await node.run(['config', '@firm', setting, JSON.stringify(forged)])
    await checks.equal('a link that the Safe did not sign is none', await accounts(), [node.account])
    await node.run(['config', '@firm', setting, JSON.stringify(value)])
    await checks.equal('one that it signed makes it the account', await accounts(), [safe.address])
    const asked = face.wallet.signMessage({ message: 'for the firm' })
    const signing = await face.waiting()
    await face.sign(signing, 2)
    await face.sign(signing, 0)
    await checks.equal('and it signs for the core', await tools.chain.client.verifyMessage({ address: safe.address, message: 'for the firm', signature: await asked }), true)
  } finally {
    face.provider.destroy()
  }
}
