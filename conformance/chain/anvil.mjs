// A chain of its own: anvil on a free port, where two blocks above another make it final, and contracts compiled by solc.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import solc from 'solc'
import { createPublicClient, createTestClient, createWalletClient, defineChain, http } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'

const require = createRequire(import.meta.url)
const FOLDER = new URL('.', import.meta.url)
const MNEMONIC = 'test test test test test test test test test test test junk'

/** The program inside the npm package for this machine; none where there is no package. */
export function anvilProgram () {
  const machine = { linux: 'linux', darwin: 'darwin', win32: 'win32' }[process.platform]
  const kind = { x64: 'amd64', arm64: 'arm64' }[process.arch]
  try {
    return require.resolve(`@foundry-rs/anvil-${machine}-${kind}/bin/anvil`)
  } catch {
    return undefined
  }
}

/**
 * Starts a chain.
 *
 * @returns `url`, `id`, `accounts` (with money, of viem), `client` (reads), `test` (moves the chain), `wallet(account)`,
 *  `deploy({abi, bytecode}, args)` gives an address, `settle()` makes everything so far final, `stop()`
 */
export async function startChain (program) {
  const args = ['--port', '0', '--chain-id', '31337', '--slots-in-an-epoch', '1', '--mnemonic', MNEMONIC]
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  process.once('exit', () => child.kill('SIGKILL'))
  const ended = new Promise(done => child.once('exit', done))
  const url = await new Promise((found, failed) => {
    const lines = createInterface({ input: child.stdout })
    lines.on('line', line => {
      const at = /^Listening on (\S+)/.exec(line)
      if (at) found(`http://${at[1]}`)
    })
    ended.then(code => failed(new Error(`anvil ended with ${code}`)))
  })
  const transport = http(url)
  const chain = defineChain({
    id: 31337, name: 'anvil', nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 }, rpcUrls: { default: { http: [url] } }
  })
  const client = createPublicClient({ chain, transport, pollingInterval: 20, cacheTime: 0 })
  const test = createTestClient({ chain, mode: 'anvil', transport })
  const accounts = Array.from({ length: 8 }, (_, index) => mnemonicToAccount(MNEMONIC, { addressIndex: index }))
  const wallet = account => createWalletClient({ account, chain, transport })
  const send = async (account, transaction) => {
    const hash = await wallet(account).sendTransaction(transaction)
    return client.waitForTransactionReceipt({ hash })
  }
  const deploy = async ({ abi, bytecode }, args = []) => {
    const hash = await wallet(accounts[0]).deployContract({ abi, bytecode, args })
    return (await client.waitForTransactionReceipt({ hash })).contractAddress
  }
  const settle = () => test.mine({ blocks: 3 })
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  return { url, id: 31337, chain, accounts, client, test, wallet, send, deploy, settle, stop }
}

/** The contracts of a file, by name. */
export function compile (file = 'wallets.sol') {
  const input = {
    language: 'Solidity',
    sources: { [file]: { content: readFileSync(new URL(file, FOLDER), 'utf8') } },
    settings: { evmVersion: 'cancun', optimizer: { enabled: true }, outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } }
  }
  const find = path => ({ contents: readFileSync(new URL(`node_modules/${path}`, FOLDER), 'utf8') })
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: find }))
  const faults = (output.errors ?? []).filter(({ severity }) => severity === 'error')
  if (faults.length > 0) {
    throw new Error(faults.map(({ formattedMessage }) => formattedMessage).join('\n'))
  }
  const found = Object.entries(output.contracts[file])
  return Object.fromEntries(found.map(([name, { abi, evm }]) => [name, { abi, bytecode: `0x${evm.bytecode.object}` }]))
}
