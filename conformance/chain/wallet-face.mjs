// viem and ethers, unmodified, with a core as their provider; and a signer who answers what they ask.

import { FetchRequest, JsonRpcProvider, verifyMessage, verifyTypedData } from 'ethers'
import { createWalletClient, createPublicClient, http, parseEther } from 'viem'

const TYPES = {
  Person: [{ name: 'name', type: 'string' }, { name: 'wallets', type: 'address[]' }],
  Mail: [{ name: 'from', type: 'Person' }, { name: 'to', type: 'Person[]' }, { name: 'amount', type: 'int128' }, { name: 'data', type: 'bytes' }, { name: 'tag', type: 'bytes4' }, { name: 'urgent', type: 'bool' }]
}
const DOMAIN = { name: 'Mail', version: '1', chainId: 31337 }
const MESSAGE = {
  from: { name: 'Ada', wallets: ['0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826'] },
  to: [{ name: 'Bob', wallets: [] }, { name: 'Eve', wallets: ['0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB'] }],
  amount: '-170141183460469231731687303715884105728', data: '0x1234', tag: '0xdeadbeef', urgent: true
}

/**
 * @param tools `chain`, `checks`, `node`, `post`, `until` of the caller, and `at` (contracts that are deployed)
 * @param person who signed in: `key` (an account of viem that is on the chain), `token`, `path` (of its core)
 */
export async function walletFace (tools, person) {
  const { chain, checks, node } = tools
  const rpc = `${node.url}${person.path}/-/rpc`
  const headers = { authorization: `Bearer ${person.token}` }
  const transport = http(rpc, { batch: true, fetchOptions: { headers }, timeout: 60_000, retryCount: 0 })
  const reads = createPublicClient({ chain: chain.chain, transport, cacheTime: 0, pollingInterval: 100 })
  const wallet = createWalletClient({ chain: chain.chain, transport, account: person.key.address })
  const asked = new FetchRequest(rpc)
  asked.setHeader('authorization', headers.authorization)
  const provider = new JsonRpcProvider(asked, undefined, { cacheTimeout: -1 })
  try {
    await reading({ ...tools, reads, wallet, provider }, person)
    await signing({ ...tools, reads, wallet, provider }, person)
    await strangers(tools, rpc, headers)
  } finally {
    provider.destroy()
  }
}

async function reading ({ checks, chain, reads, wallet, provider, at, abi }, { key }) {
  await checks.equal('viem asks for the accounts', await wallet.getAddresses(), [key.address])
  await checks.equal('viem asks for the chain', await wallet.getChainId(), chain.id)
  const block = await chain.client.getBlock()
  await checks.equal('viem reads a block', (await reads.getBlock({ blockHash: block.hash })).number, block.number)
  await checks.equal('viem reads what an account has', await reads.getBalance({ address: key.address }), await chain.client.getBalance({ address: key.address }))
  const call = { address: at.SaysYes, abi, functionName: 'isValidSignature', args: [block.hash, '0x'] }
  await checks.equal('viem calls a contract', await reads.readContract(call), '0x1626ba7e')
  const reverted = await reads.readContract({ ...call, address: at.Reverts }).catch(error => error.walk().reason ?? error.message)
  await checks.check('viem hears why a contract refuses', () => {
    if (!String(reverted).includes('the magic value is 0x1626ba7e')) throw new Error(reverted)
  })
  const logs = await reads.getLogs({ blockHash: block.hash })
  await checks.equal('viem reads events', logs, [])
  await checks.equal('ethers asks for the chain', (await provider.getNetwork()).chainId, BigInt(chain.id))
  await checks.equal('ethers asks for the accounts', (await provider.listAccounts()).map(({ address }) => address), [key.address])
  await checks.equal('ethers reads a block', (await provider.getBlock(block.hash)).number, Number(block.number))
  await checks.equal('ethers reads code', await provider.getCode(at.SaysYes), await chain.client.getCode({ address: at.SaysYes }))
  const { methods } = await reads.request({ method: 'rpc.discover' })
  await checks.equal('the methods are described', methods.some(({ name }) => name === 'eth_sendTransaction'), true)
  const refused = await reads.request({ method: 'debug_traceTransaction', params: ['0x'] }).catch(({ walk, code, cause }) => code ?? cause?.code)
  await checks.equal('what is not listed is not passed on', refused, -32601)
}

/** What a program asks is answered by the signer, who sees it in the list of requests. */
async function signing ({ checks, chain, node, post, until, reads, wallet, provider }, { key, token, path }) {
  const answerer = chain.wallet(key)
  const waiting = async () => {
    const list = await until(({ requests }) => requests.length > 0, async () =>
      (await node.anonymous(`${path}/-/requests`, { headers: { authorization: `Bearer ${token}` } })).json())
    return list.requests[0]
  }
  const answer = (id, body) => post(node, `${path}/-/requests/${id}/${body.result === undefined ? 'reject' : 'approve'}`, body, token)
  const answered = async (asking, sign) => {
    const request = await waiting()
    const { status, body } = await answer(request.id, await sign(request))
    if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)}`)
    return asking
  }
  const personally = async ({ params: [raw] }) => ({ result: await key.signMessage({ message: { raw } }) })
  const typed = async ({ params: [, data] }) => {
    const { domain, types, primaryType, message } = JSON.parse(data)
    return { result: await key.signTypedData({ domain, types, primaryType, message }) }
  }
  await checks.check('viem has a message signed', async () => {
    const signature = await answered(wallet.signMessage({ message: 'hello' }), personally)
    if (verifyMessage('hello', signature) !== key.address) throw new Error('of somebody else')
  })
  await checks.check('ethers has a message signed', async () => {
    const signer = await provider.getSigner()
    const signature = await answered(signer.signMessage('hello again'), personally)
    if (verifyMessage('hello again', signature) !== key.address) throw new Error('of somebody else')
  })
  await checks.check('viem has typed data signed', async () => {
    const data = { domain: DOMAIN, types: TYPES, primaryType: 'Mail', message: MESSAGE }
    const signature = await answered(wallet.signTypedData(data), typed)
    if (verifyTypedData(DOMAIN, TYPES, MESSAGE, signature) !== key.address) throw new Error('of somebody else')
  })
  await checks.check('ethers has typed data signed', async () => {
    const signer = await provider.getSigner()
    const signature = await answered(signer.signTypedData(DOMAIN, TYPES, MESSAGE), typed)
    if (verifyTypedData(DOMAIN, TYPES, MESSAGE, signature) !== key.address) throw new Error('of somebody else')
  })
  await checks.check('viem has a transaction sent', async () => {
    const to = chain.accounts[7].address
    const before = await reads.getBalance({ address: to })
    const hash = await answered(wallet.sendTransaction({ to, value: parseEther('1') }), async ({ params: [{ to, value }] }) => {
      const other = await answerer.sendTransaction({ to, value: BigInt(value) + 1n })
      await chain.client.waitForTransactionReceipt({ hash: other })
      const request = await waiting()
      const refused = await answer(request.id, { result: other })
      if (refused.status !== 422) throw new Error(`another transaction was taken: ${refused.status}`)
      const sent = await answerer.sendTransaction({ to, value: BigInt(value) })
      await chain.client.waitForTransactionReceipt({ hash: sent })
      return { result: sent }
    })
    const receipt = await reads.waitForTransactionReceipt({ hash })
    if (receipt.status !== 'success') throw new Error(receipt.status)
    const gained = await reads.getBalance({ address: to }) - before
    if (gained !== 2n * parseEther('1') + 1n) throw new Error(`${gained} came`)
  })
  await checks.check('viem has several calls sent', async () => {
    const [one, two] = [chain.accounts[6].address, chain.accounts[7].address]
    const send = async ({ params: [{ to, value }] }) => {
      const sent = await answerer.sendTransaction({ to, value: BigInt(value) })
      await chain.client.waitForTransactionReceipt({ hash: sent })
      return { result: sent }
    }
    const { id } = await wallet.sendCalls({ calls: [{ to: one, value: 1n }, { to: two, value: 2n }] })
    const before = await wallet.getCallsStatus({ id })
    if (before.status !== 'pending') throw new Error(`it was ${before.status}`)
    await answered(undefined, send)
    await answered(undefined, send)
    const { status, receipts } = await until(({ status }) => status !== 'pending', () => wallet.getCallsStatus({ id }))
    if (status !== 'success' || receipts.length !== 2) throw new Error(`it is ${status}`)
    const atomic = await wallet.sendCalls({ calls: [{ to: one }], forceAtomic: true }).then(() => 'sent', error => error.walk(({ code }) => code === 5760)?.code)
    if (atomic !== 5760) throw new Error(`atomic calls: ${atomic}`)
  })
  await checks.check('a signer says no', async () => {
    const refused = wallet.signMessage({ message: 'no' }).then(() => 'signed', error => error.walk(({ code }) => code === 4001)?.code)
    await answered(refused, async () => ({}))
    if (await refused !== 4001) throw new Error(`it was ${await refused}`)
  })
  await checks.check('a signature of something else is not passed on', async () => {
    const asking = wallet.signMessage({ message: 'this' })
    const request = await waiting()
    const wrong = await answer(request.id, { result: await key.signMessage({ message: 'that' }) })
    if (wrong.status !== 422) throw new Error(`it was answered ${wrong.status}`)
    await answered(asking, personally)
  })
  const foreign = await wallet.signMessage({ account: chain.accounts[6].address, message: 'x' }).catch(error => error.walk(({ code }) => code === 4100)?.code)
  await checks.equal('only the core\'s own account is asked', foreign, 4100)
}

async function strangers ({ checks, node, post }, rpc, headers) {
  const call = body => fetch(rpc, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body })
  const code = async body => (await (await call(body)).json()).error.code
  const one = { jsonrpc: '2.0', id: 1, method: 'eth_chainId' }
  await checks.equal('no JSON', await code('{'), -32700)
  await checks.equal('no request', await code('{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}'), -32600)
  await checks.equal('an empty batch', await code('[]'), -32600)
  await checks.equal('a batch of 100', (await (await call(JSON.stringify(Array(100).fill(one)))).json()).length, 100)
  await checks.equal('a batch of 101', await code(JSON.stringify(Array(101).fill(one))), -32600)
  await checks.equal('nothing is answered to a notification', (await call('{"jsonrpc":"2.0","method":"eth_chainId"}')).status, 204)
  const path = new URL(rpc).pathname
  await checks.equal('nobody finds nothing', (await post(node, path, one)).status, 404)
  await checks.equal('nor does somebody else', (await post(node, path, one, node.token)).status, 404)
}
