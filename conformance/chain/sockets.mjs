// viem and ethers, unmodified, with a core as their provider over a WebSocket: calls, new blocks, events, and what a
// reorganisation takes back.

import { Contract, WebSocketProvider, verifyMessage } from 'ethers'
import { createPublicClient, createWalletClient, webSocket } from 'viem'

const MS_MAX = 30_000

/**
 * @param tools `chain`, `checks`, `node`, `post`, `until` of the caller, `speaks` (the `Speaks` contract: `abi`, `address`)
 * @param person who signed in: `key` (an account of viem that is on the chain), `token`, `id` (of the session), `path` (of its core)
 */
export async function sockets (tools, person) {
  const { chain, checks, node } = tools
  // Neither library can send a header with the address alone.
  const url = `${node.url.replace('http', 'ws')}${person.path}/-/rpc?token=${person.token}`
  const transport = webSocket(url, { reconnect: false, retryCount: 0, timeout: MS_MAX })
  const reads = createPublicClient({ chain: chain.chain, transport, cacheTime: 0 })
  const wallet = createWalletClient({ chain: chain.chain, transport, account: person.key.address })
  const provider = new WebSocketProvider(url, undefined, { cacheTimeout: -1 })
  await calling({ ...tools, reads, wallet, provider }, person)
  await blocks({ ...tools, reads, provider })
  await events({ ...tools, reads, provider })
  await checks.check('a session that ends closes its sockets', async () => {
    const { socket } = await reads.transport.getRpcClient()
    const closed = Promise.all([socket, provider.websocket].map(socket => new Promise(done => socket.addEventListener('close', ({ code }) => done(code)))))
    const ended = await node.anonymous(`/-/session/${person.id}`, { method: 'DELETE', headers: { authorization: `Bearer ${person.token}` } })
    if (ended.status !== 204) throw new Error(`it was answered ${ended.status}`)
    const codes = await within(closed)
    if (String(codes) !== '1008,1008') throw new Error(`they closed with ${codes}`)
  })
  await provider.destroy().catch(() => {})
}

async function calling ({ checks, chain, node, post, until, reads, wallet, provider }, { key, token, path }) {
  await checks.equal('viem asks for the accounts by a socket', await wallet.getAddresses(), [key.address])
  const block = await chain.client.getBlock()
  await checks.equal('viem reads a block by a socket', (await reads.getBlock({ blockHash: block.hash })).number, block.number)
  await checks.equal('ethers asks for the chain by a socket', (await provider.getNetwork()).chainId, BigInt(chain.id))
  await checks.equal('ethers reads a block by a socket', (await provider.getBlock(block.hash)).number, Number(block.number))
  const core = await reads.request({ method: 'kb_core' })
  await checks.equal('viem asks for the core', core.account, key.address.toLowerCase())
  const refused = await provider.send('kb_getPin', ['nothing']).catch(({ error }) => error.data?.type)
  await checks.equal('ethers hears of a problem by its type', refused, 'urn:kubelt:problem:not-found')
  await checks.check('viem has a message signed by a socket', async () => {
    const asking = wallet.signMessage({ message: 'over a socket' })
    const list = await until(({ requests }) => requests.length > 0, async () =>
      (await node.anonymous(`${path}/-/requests`, { headers: { authorization: `Bearer ${token}` } })).json())
    const [request] = list.requests
    if (request.kind !== 'sign') throw new Error(JSON.stringify(request))
    const result = await key.signMessage({ message: { raw: request.params[0] } })
    const { status } = await post(node, `${path}/-/requests/${request.id}/approve`, { result }, token)
    if (status !== 200) throw new Error(`it was answered ${status}`)
    if (verifyMessage('over a socket', await asking) !== key.address) throw new Error('of somebody else')
  })
}

async function blocks ({ checks, chain, reads, provider }) {
  await checks.check('viem and ethers hear of new blocks', async () => {
    const seen = { viem: [], ethers: [] }
    // viem reads each block that it hears of, so that they come in any order.
    const onBlock = block => seen.viem.push(block.number)
    const unwatch = reads.watchBlocks({ onBlock, onError: error => seen.viem.push(error) })
    const heard = number => seen.ethers.push(BigInt(number))
    await provider.on('block', heard)
    await waitFor(async () => {
      await chain.test.mine({ blocks: 1 })
      return seen.viem.length > 0 && seen.ethers.length > 0
    })
    const from = await chain.client.getBlockNumber()
    await chain.test.mine({ blocks: 5 })
    const all = [1n, 2n, 3n, 4n, 5n].map(n => from + n)
    await waitFor(() => [seen.viem, seen.ethers].every(numbers => all.every(number => numbers.includes(number))))
    unwatch()
    await provider.off('block', heard)
    const twice = Object.values(seen).filter(numbers => new Set(numbers).size !== numbers.length)
    if (twice.length > 0) throw new Error(`blocks came twice: ${twice}`)
  })
}

async function events ({ checks, chain, reads, provider, speaks }) {
  const seen = { viem: [], ethers: [] }
  const { abi, address } = speaks
  const say = n => chain.wallet(chain.accounts[0]).writeContract({ abi, address, functionName: 'say', args: [n] })
  const contract = new Contract(address, abi, provider)
  const heard = n => seen.ethers.push(n)
  const unwatch = reads.watchContractEvent({
    abi, address, eventName: 'Said', onLogs: logs => seen.viem.push(...logs), onError: error => seen.viem.push(error)
  })
  await contract.on('Said', heard)
  const last = () => seen.viem.at(-1)?.args?.n
  await checks.check('viem and ethers hear of events', async () => {
    let n = 0n
    await waitFor(async () => {
      await say(++n)
      return seen.viem.length > 0 && seen.ethers.length > 0
    })
    await say(1_000n)
    await waitFor(() => last() === 1_000n && seen.ethers.at(-1) === 1_000n)
  })
  await checks.check('viem hears that a reorganisation has taken an event back', async () => {
    await chain.test.request({ method: 'anvil_reorg', params: [1, []] })
    await chain.test.mine({ blocks: 1 })
    await waitFor(() => seen.viem.at(-1)?.removed === true)
    if (last() !== 1_000n) throw new Error(`it was ${last()}`)
  })
  unwatch()
  await contract.off('Said', heard)
}

/** Waits until it is so. */
async function waitFor (isSo) {
  const until = Date.now() + MS_MAX
  while (!await isSo()) {
    if (Date.now() > until) throw new Error('it did not come')
    await new Promise(done => setTimeout(done, 300))
  }
}

function within (promise) {
  const late = new Promise((_done, failed) => setTimeout(() => failed(new Error('it took too long')), MS_MAX).unref())
  return Promise.race([promise, late])
}
