// A core that a Safe owns, on two nodes at once: each asks the chain itself, and both say the same, live.

import { randomBytes } from 'node:crypto'
import { put } from './operations.mjs'
import { startNode } from '../node.mjs'

/** @param tools `chain`, `checks`, `settings`, `signIn`, `post`, `until` of the caller; `safe` of two of three owners */
export async function replicas (tools) {
  const { chain, checks, settings, signIn, post, until, safe } = tools
  const network = '[network]\nreplicate_listen = "127.0.0.1:0"\n'
  const nodes = []
  for (const _ of [0, 1]) {
    nodes.push(await startNode({ settings: `${settings([chain.url])}\n${network}`, person: false }))
  }
  const [one, two] = nodes
  const account = `eip155:31337:${safe.address}`
  try {
    const open = async (node, signers) => (await until(({ status }) => status === 201, () => signIn(node, account, text => safe.sign(text, signers)))).body
    const [at, there] = [await open(one, [0, 1]), await open(two, [1, 2])]
    const headers = { authorization: `Bearer ${at.token}` }
    const read = async (node, token) => {
      const { ops } = await (await node.anonymous(`${at.path}/-/ops`, { headers: { authorization: `Bearer ${token}` } })).json()
      return ops.map(({ id, by, verb, effective }) => `${id} ${by} ${verb} ${effective}`).sort()
    }
    const same = async name => {
      const both = await until(([a, b]) => a.length > 0 && String(a) === String(b), async () => [await read(one, at.token), await read(two, there.token)])
      await checks.equal(name, both[1], both[0])
      return both[0]
    }
    await one.anonymous(`${at.path}/-/content/a.txt`, { method: 'PUT', headers, body: 'of a Safe' })
    const added = await post(one, `${at.path}/-/remotes`, { address: two.replicas[0] }, at.token)
    await checks.equal('a Safe\'s core goes to another node', added.status, 201)
    await same('and its session\'s writes with it')
    // What the Safe itself signs, on the one and on the other.
    for (const [from, session, name] of [[one, at, 'one'], [two, there, 'two']]) {
      const { heads } = await (await from.anonymous(`${at.path}/-/heads`, { headers: { authorization: `Bearer ${session.token}` } })).json()
      const op = await put({ core: at.core, heads, by: account, path: 'profile/name', value: `${name} ${randomBytes(4).toString('hex')}` })
      const sent = await post(from, `${at.path}/-/ops`, op.signed(await safe.sign(op.text, [2, 0])), session.token)
      await checks.equal(`the Safe signs on node ${name}`, [sent.status, sent.body.ops?.[0].effective], [201, true])
      const all = await same(`and it counts on the other node, which asked the chain itself (${name})`)
      await checks.equal(`it is the Safe's (${name})`, all.includes(`${sent.body.ops?.[0].id} ${account} put true`), true)
    }
  } finally {
    for (const node of nodes) await node.stop()
  }
}
