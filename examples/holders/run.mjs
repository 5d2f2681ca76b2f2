// Content for whoever holds a token: a contract on a chain decides who reads a path of a core.

import { match, strictEqual } from 'node:assert'
import { installed } from '../packages.mjs'
import { say, startNode } from '../start.mjs'

// A chain of its own, and the compiler: what the checks of `conformance/chain` use.
installed(new URL('../../conformance/chain', import.meta.url))
const { anvilProgram, compile, startChain } = await import('../../conformance/chain/anvil.mjs')

const TOKEN = 7n

const program = anvilProgram()
if (program) await onChain(program)
else say('SKIPPED content for holders: `@foundry-rs/anvil` has no program for this machine\n0 passed, 0 failed, 1 skipped')
// Libraries of wallets leave timers behind that would keep the process for minutes.
process.exit()

async function onChain (program) {
  const chain = await startChain(program)
  const node = await startNode({ settings: `[chains.${chain.id}]\nurls = ['${chain.url}']\n` })
  try {
    await example(chain, node)
  } finally {
    await node.stop()
    await chain.stop()
  }
}

async function example (chain, node) {
  const { Pass } = compile(new URL('pass.sol', import.meta.url).href)
  const [maker, ann, bob] = chain.accounts
  const contract = await chain.deploy(Pass)
  const call = async (from, functionName, ...args) => {
    const hash = await chain.wallet(from).writeContract({ address: contract, abi: Pass.abi, functionName, args })
    await chain.client.waitForTransactionReceipt({ hash })
  }

  say(`The contract is at ${contract}; its token ${TOKEN} is Ann's.`)
  await call(maker, 'mint', ann.address, TOKEN)

  say('The owner of the core puts a recording where members read, and opens it to who holds the token.')
  await node.run(['put', '@me/backstage/recording.txt', '-', '--members'], { input: 'la la la' })
  const holding = ['--erc721', `${chain.id}:${contract}:${TOKEN}`, '--keep', '1']
  await node.run(['gate', 'set', '@me', 'holders', '--opens', 'content/backstage/**', ...holding])

  const [asAnn, asBob] = [await signIn(node, ann), await signIn(node, bob)]
  strictEqual(await read(node, asAnn), 'la la la')
  strictEqual(await read(node, asBob), 404)
  strictEqual(await read(node), 404)
  say('  Ann reads it. For Bob, and for who has not signed in, nothing is there.')

  say('She gives the token to Bob, on the chain alone.')
  await call(ann, 'transferFrom', ann.address, bob.address, TOKEN)
  await until(async () => await read(node, asBob) === 'la la la' && await read(node, asAnn) === 404)
  say('  Now he reads it, and she does not.')

  const { tests } = await node.json(['gate', 'check', '@me', 'holders', ann.address])
  match(tests[0].why, new RegExp(`its owner is ${bob.address}`, 'i'))
  say(`  The owner of the core asks why: ${tests[0].why}.`)
  say('All of it is so.')
}

/** The recording as somebody gets it, or the status where they get nothing. */
async function read (node, token) {
  const headers = token ? { authorization: `Bearer ${token}` } : {}
  const answer = await node.anonymous(`${node.core}/backstage/recording.txt`, { headers })
  const text = await answer.text()
  return answer.ok ? text : answer.status
}

/** Signs in as any page with a wallet does: the node says a message, the wallet signs it. */
async function signIn (node, account) {
  const post = async (path, body) => {
    const answer = await node.anonymous(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    return answer.json()
  }
  const { message } = await post('/-/session/challenge', { account: account.address })
  const { token } = await post('/-/session', { message, signature: await account.signMessage({ message }) })
  return token
}

/** What was found on the chain holds for `--keep` seconds: asks until that is over. */
async function until (isSo) {
  const tries = 2_000
  for (let at = 0; at < tries; at++) if (await isSo()) return
  throw new Error('it did not come to be so')
}
