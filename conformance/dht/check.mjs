// A DHT of Kubo and nodes on loopback: providers and records of names, both ways.
// `cargo xtask conformance dht` builds Kubo and names it in KUBO.

import { Checks } from '../checks.mjs'
import { must, startNode } from '../node.mjs'
import { startPeer } from './kubo.mjs'

/** How long others may take to hear of something. */
const PATIENCE_MS = 150_000
const SETTINGS = '[network]\nlisten = ["/ip4/127.0.0.1/tcp/0"]\ndht = "server"\ndht_scope = "lan"\n'

/** Asks again until the answer is good. */
async function until (what, isGood) {
  const end = Date.now() + PATIENCE_MS
  let last
  while (Date.now() < end) {
    try {
      last = await what()
      if (isGood(last)) { return last }
    } catch (error) {
      last = error
    }
    await new Promise(resolve => setTimeout(resolve, 1_000))
  }
  throw new Error(`not in ${PATIENCE_MS} ms; last: ${last?.stderr ?? last}`)
}

const checks = new Checks()
const started = []
try {
  const start = async starting => {
    const one = await starting
    started.push(one)
    return one
  }
  const node = await start(startNode({ settings: SETTINGS }))
  const other = await start(startNode({ settings: SETTINGS }))
  const kubos = [await start(startPeer()), await start(startPeer()), await start(startPeer())]

  const { id } = await node.json(['peers', 'ls'])
  for (const kubo of kubos) {
    await node.run(['peers', 'connect', kubo.address])
  }
  // The others know nobody but one Kubo each.
  await other.run(['peers', 'connect', kubos[0].address])
  await kubos[1].run(['swarm', 'connect', kubos[2].address])

  const { cid } = await node.json(['put', '@me/page.txt', '-', '--public'], { input: 'from the node\n' })
  const { cid: secret } = await node.json(['put', '@me/secret.txt', '-', '--private'], { input: 'a secret\n' })
  await checks.check('Kubo finds who provides what the node publishes', async () => {
    const found = await until(() => kubos[2].run(['routing', 'findprovs', cid]), found => found.includes(id))
    if (found.split('\n').length !== 1) { throw new Error(found) }
  })
  await checks.check('Kubo finds nobody for what is private', async () => {
    const found = await kubos[2].run(['routing', 'findprovs', secret])
    if (found !== '') { throw new Error(found) }
  })

  const theirs = await kubos[1].run(['add', '-Q', '--cid-version=1'], { input: 'from Kubo\n' })
  await kubos[1].run(['routing', 'provide', theirs])
  const providers = async cid => (await (await must(other.anonymous(`/routing/v1/providers/${cid}`))).json()).Providers
  await checks.check('a node finds what Kubo provides, with its address', async () => {
    const found = await until(() => providers(theirs), found => found.some(one => one.ID === kubos[1].id))
    const [record] = found.filter(one => one.ID === kubos[1].id)
    if (!record.Addrs.some(address => address.startsWith('/ip4/127.0.0.1/tcp/'))) { throw new Error(JSON.stringify(record)) }
  })
  await checks.check('a node finds what another node provides', () =>
    until(() => providers(cid), found => found.some(one => one.ID === id)))

  const { ipns } = await node.json(['name', 'show', '@me'])
  await checks.check('Kubo resolves the name of a core', async () => {
    const { path } = await node.json(['name', 'resolve', ipns])
    await until(() => kubos[2].run(['name', 'resolve', '--nocache', ipns]), found => found === path)
  })

  const name = JSON.parse(await kubos[1].run(['key', 'list', '-l', '--encoding=json', '--ipns-base=base36'])).Keys[0].Id
  for (const value of ['first', 'second']) {
    const cid = await kubos[1].run(['add', '-Q', '--cid-version=1'], { input: `${value}\n` })
    await kubos[1].run(['name', 'publish', '--ttl=1s', `/ipfs/${cid}`])
    await checks.check(`a node resolves the ${value} record of a name of Kubo's`, () =>
      until(() => other.json(['name', 'resolve', name]), found => found.path === `/ipfs/${cid}`))
  }
} finally {
  await Promise.all(started.map(one => one.stop()))
}
checks.close()
