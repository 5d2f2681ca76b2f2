import { BrowserProvider, verifyMessage } from 'ethers'
import { createStore } from 'mipd'
import { createWalletClient, custom } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { mainnet } from 'viem/chains'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Client } from '../../src/api/client.js'
import { announceProvider, CoreProvider, ProviderRpcError } from '../../src/provider/provider.js'
import { Session } from '../../src/session/session.js'
import { keySigner } from '../../src/session/signer.js'
import { newSecret, start, type TestNode } from './start.js'

let node: TestNode
let session: Session
const secret = newSecret()
const key = privateKeyToAccount(secret as `0x${string}`)

beforeAll(async () => {
  // Nobody answers there: nothing below reads a chain.
  node = await start('[chains.1]\nurls = ["http://127.0.0.1:9"]\n[chains.10]\nurls = ["http://127.0.0.1:9"]\n')
  session = await Session.signIn(new Client(node.url), keySigner(secret))
})
afterAll(() => node.stop())

/** The signer, who sees what is asked and signs it. */
async function answerNext(reject = false): Promise<string> {
  for (;;) {
    const { requests } = await session.client.call('get', '/@{core}/-/requests', { path: { core: session.core } })
    const [request] = requests
    if (request?.kind !== 'sign') continue
    const [raw] = request.params as [`0x${string}`]
    const path = { core: session.core, id: request.id }
    if (reject) {
      await session.client.call('post', '/@{core}/-/requests/{id}/reject', { path, body: {} })
    } else {
      const body = { result: await key.signMessage({ message: { raw } }) }
      await session.client.call('post', '/@{core}/-/requests/{id}/approve', { path, body })
    }
    return request.method
  }
}

test('viem has a message signed', async () => {
  const wallet = createWalletClient({ chain: mainnet, transport: custom(new CoreProvider(session)) })
  expect(await wallet.getAddresses()).toEqual([key.address])
  expect(await wallet.getChainId()).toBe(1)
  const [signature, method] = await Promise.all([
    wallet.signMessage({ account: key.address, message: 'hello' }),
    answerNext(),
  ])
  expect(method).toBe('personal_sign')
  expect(verifyMessage('hello', signature)).toBe(key.address)
})

test('ethers has a message signed, and hears of another chain', async () => {
  const provider = new CoreProvider(session, { chainId: 1 })
  const ethers = new BrowserProvider(provider)
  const signer = await ethers.getSigner()
  const [signature] = await Promise.all([signer.signMessage('hello again'), answerNext()])
  expect(verifyMessage('hello again', signature)).toBe(key.address)
  const heard: string[] = []
  provider.on('chainChanged', (chain) => heard.push(chain))
  await provider.request({ method: 'wallet_switchEthereumChain', params: [{ chainId: '0xa' }] })
  expect(await provider.request({ method: 'eth_chainId' })).toBe('0xa')
  expect(heard).toEqual(['0xa'])
  await expect(
    provider.request({ method: 'wallet_switchEthereumChain', params: [{ chainId: '0x5' }] }),
  ).rejects.toMatchObject({ code: 4902 })
  ethers.destroy()
})

test('what goes wrong has the numbers of EIP-1193', async () => {
  const provider = new CoreProvider(session)
  const asked = provider.request({ method: 'personal_sign', params: ['0x6869', key.address] })
  const [declined] = await Promise.all([asked.catch((error: unknown) => error), answerNext(true)])
  expect(declined).toBeInstanceOf(ProviderRpcError)
  expect(declined).toMatchObject({ code: 4001 })
  await expect(provider.request({ method: 'no_such' })).rejects.toMatchObject({ code: -32601 })
  await expect(
    new CoreProvider(session, { core: 'bafyreihdb57fdysx5h35urvxz64ros7zvywshber7id6t6c6fek37jgyfe' }).request({
      method: 'eth_accounts',
    }),
  ).rejects.toMatchObject({ code: 4100 })
})

test('wallets are chosen by announcement (EIP-6963)', () => {
  const page = Object.assign(new EventTarget(), { CustomEvent })
  Object.assign(globalThis, { window: page })
  try {
    const provider = new CoreProvider(session)
    const stop = announceProvider(provider, { name: 'Ada’s core' })
    const store = createStore()
    expect(store.getProviders().map(({ info, provider }) => [info.name, info.rdns, provider])).toEqual([
      ['Ada’s core', 'org.kubelt.core', provider],
    ])
    store.destroy()
    stop()
    expect(createStore().getProviders()).toEqual([])
  } finally {
    Reflect.deleteProperty(globalThis, 'window')
  }
})
