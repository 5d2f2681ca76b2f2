// Uses a node through npm `kubo-rpc-client`, and compares every answer with the one that Kubo gives the same client, where
// the environment variable KUBO names its binary.

import { execFileSync, spawn } from 'node:child_process'
import { deepStrictEqual, ok, rejects } from 'node:assert'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CID, create } from 'kubo-rpc-client'
import { Checks } from '../checks.mjs'
import { startNode } from '../node.mjs'

const text = new TextEncoder()
const big = new Uint8Array(1_500_000).map((_, at) => at * 31 % 251)
const MISSING = CID.parse('bafkreie5cvv4h45feadgeuwhbcutmh6t2ceseocckahdoe6uat64zmz454')
const EMPTY = 'QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn'

/** What a client is made to do; the answers must not depend on whose they are. */
const cases = {
  'add of a text': client => client.add('hello\n'),
  'add of a large file': client => client.add(big),
  'add with CIDv1': client => client.add(big, { cidVersion: 1 }),
  'add with raw leaves': client => client.add(big, { rawLeaves: true }),
  'add with smaller chunks': client => client.add(big, { chunker: 'size-100000' }),
  'add with metadata': client => client.add({ path: 'f', content: 'x' }, { mode: 0o640, mtime: { secs: 100, nsecs: 5 }, cidVersion: 1 }),
  'add keeps metadata': client => client.add({ path: 'f', content: 'x', mode: 0o604, mtime: { secs: 77 } }, { preserveMode: true, preserveMtime: true }),
  'add with metadata to one leaf and to many': client => all(client.addAll([{ path: 'a', content: 'x' }, { path: 'b', content: big }, { path: 'c', content: '' }], { mode: 0o640 })),
  'only a hash': client => client.add('never stored', { onlyHash: true }),
  'add of a tree': client => all(client.addAll(tree(), { wrapWithDirectory: true })),
  'add of a tree with CIDv1': client => all(client.addAll(tree(), { wrapWithDirectory: true, cidVersion: 1 })),
  'add of a wide tree': client => last(client.addAll(wide(), { cidVersion: 1, pin: false })),
  cat: async client => bytes(client.cat((await client.add(big)).cid)),
  'cat of a part': async client => bytes(client.cat((await client.add(big)).cid, { offset: 300_000, length: 600_000 })),
  ls: async client => all(client.ls(await rootOf(client))),
  'files stat of a directory': async client => client.files.stat(`/ipfs/${await rootOf(client)}`),
  'files stat of a file': async client => client.files.stat(`/ipfs/${await rootOf(client)}/d/b.bin`),
  resolve: async client => client.resolve(`/ipfs/${await rootOf(client)}/d/b.bin`),
  refs: async client => all(client.refs(await rootOf(client), { recursive: true, unique: true })),
  'block put': client => client.block.put(text.encode('a block')),
  'block put of dag-cbor': client => client.block.put(new Uint8Array([0xa0]), { format: 'dag-cbor' }),
  'block put with sha2-512': client => client.block.put(text.encode('a block'), { mhtype: 'sha2-512' }),
  'block get': async client => client.block.get(await client.block.put(text.encode('a block'))),
  'block stat': async client => client.block.stat(await client.block.put(text.encode('a block'))),
  'block rm': async client => all(client.block.rm(await client.block.put(text.encode('a block to remove')))),
  'dag put': client => client.dag.put({ a: [1, 'two'], b: new Uint8Array([3]) }),
  'dag put as dag-json': client => client.dag.put({ a: 1 }, { storeCodec: 'dag-json' }),
  'dag put converts': client => client.dag.put(text.encode('{"a":{"/":{"bytes":"AQ"}}}'), { inputCodec: 'dag-json', storeCodec: 'dag-cbor' }),
  'dag get': async client => client.dag.get(await valueOf(client)),
  'dag get of a path': async client => client.dag.get(await valueOf(client), { path: '/list/1' }),
  'dag resolve': async client => client.dag.resolve(`${await valueOf(client)}/list/1`),
  'dag resolve over links': async client => client.dag.resolve(`${await valueOf(client)}/tree/d/b.bin`),
  'dag export': async client => bytes(client.dag.export(await valueOf(client))),
  'dag import': async client => {
    const car = await bytes(client.dag.export(await valueOf(client)))
    return all(client.dag.import([car]))
  },
  'dag import without pins': async client => {
    const car = await bytes(client.dag.export(await valueOf(client)))
    return all(client.dag.import([car], { pinRoots: false }))
  },
  'pin add': async client => client.pin.add(await client.block.put(text.encode('to pin'))),
  'pin ls of one': async client => {
    const cid = await client.pin.add(await client.block.put(text.encode('to pin')), { name: 'a pin' })
    return all(client.pin.ls({ paths: cid, names: true }))
  },
  'pin update': async client => {
    const [from, to] = [await client.block.put(text.encode('from')), await client.block.put(text.encode('to'))]
    await client.pin.add(from)
    const updated = await client.pin.update(from, to)
    return [updated, await all(client.pin.ls({ paths: to })), await fails(all(client.pin.ls({ paths: from })))]
  },
  'pin rm': async client => {
    const cid = await client.pin.add(await client.block.put(text.encode('to pin and unpin')))
    return [await client.pin.rm(cid), await fails(client.pin.rm(cid))]
  },
  'a directory is no file': async client => fails(bytes(client.cat(await rootOf(client)))),
  'what is pinned is not removed': async client => (await all(client.block.rm((await client.add('pinned')).cid))).map(row => Boolean(row.error)),
  'missing blocks': async client => Promise.all([
    fails(client.block.get(MISSING)), fails(client.block.stat(MISSING)), fails(bytes(client.cat(MISSING)))
  ].map(async failed => Boolean(await failed))),
  'bad paths': async client => Boolean(await fails(bytes(client.cat('no-path')))),
  // A repository of Kubo begins with a pin of the empty directory.
  'every pin in the end': async client =>
    (await all(client.pin.ls({ type: 'recursive' }))).map(pin => `${pin.cid}`).filter(cid => cid !== EMPTY).sort()
}

const checks = new Checks()
const node = await startNode()
const kubo = await startKubo()
try {
  const client = create({ url: `${node.url}/api/v0`, headers: { authorization: `Bearer ${node.token}` } })
  for (const [name, body] of Object.entries(cases)) {
    await checks.check(name, async () => {
      const found = plain(await body(client))
      if (kubo) {
        deepStrictEqual(found, plain(await body(kubo.client)))
      }
    })
  }
  await only(client)
  if (kubo) {
    await bothWays(client, kubo.client)
  } else {
    checks.cannotRun('comparison with Kubo', 'KUBO names no binary')
  }
} finally {
  await node.stop()
  await kubo?.stop()
}
checks.close()

/** What Kubo has no like of, or answers for a node of its own. */
async function only (client) {
  await checks.check('about the core', async () => {
    const { id } = await client.id()
    const [self] = await client.key.list()
    deepStrictEqual(self.name, 'self')
    ok(`${id}`.length > 40 && self.id.startsWith('k51'))
    ok((await client.version()).version)
    ok((await client.repo.stat()).numObjects > 0n)
    await rejects(client.key.gen('another'))
  })
  await checks.check('content is published at once, and gone when it is unpinned', async () => {
    const { cid } = await client.add('published at once')
    deepStrictEqual(await (await node.anonymous(`/ipfs/${cid}`)).text(), 'published at once')
    await client.pin.rm(cid)
    deepStrictEqual((await node.anonymous(`/ipfs/${cid}`)).status, 404)
  })
  await checks.check('a name is published and resolved', async () => {
    const root = await rootOf(client)
    const { name } = await client.name.publish(root)
    deepStrictEqual(await last(client.name.resolve(name)), `/ipfs/${root}`)
    deepStrictEqual(await bytes(client.cat(`/ipns/${name}/a.txt`)), text.encode('hello\n'))
  })
  await checks.check('trees are fetched as TAR', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'kubelt-rpc-'))
    const root = await rootOf(client)
    execFileSync('tar', ['-x', '-C', dir], { input: await bytes(client.get(root)) })
    deepStrictEqual(readFileSync(join(dir, `${root}`, 'a.txt'), 'utf8'), 'hello\n')
    rmSync(dir, { recursive: true })
  })
  await checks.check('progress is told', async () => {
    const told = []
    await client.add(big, { progress: count => told.push(count) })
    ok(told.length > 1 && told.at(-1) === big.length)
  })
  await checks.check('nothing without a token', () => rejects(create({ url: `${node.url}/api/v0` }).id()))
}

async function bothWays (ours, theirs) {
  for (const [name, from, to] of [['ours in Kubo', ours, theirs], ['Kubo\'s here', theirs, ours]]) {
    await checks.check(`a CAR of ${name}`, async () => {
      const root = await last(from.addAll(wide(), { cidVersion: 1 }))
      const car = await bytes(from.dag.export(root.cid))
      const [{ root: imported }] = await all(to.dag.import([car]))
      deepStrictEqual([`${imported.cid}`, imported.pinErrorMsg], [`${root.cid}`, ''])
      deepStrictEqual(await bytes(to.dag.export(root.cid)), car)
    })
  }
}

async function startKubo () {
  if (!process.env.KUBO) {
    return null
  }
  const repo = mkdtempSync(join(tmpdir(), 'kubelt-kubo-'))
  const env = { ...process.env, IPFS_PATH: repo }
  const run = (...args) => execFileSync(process.env.KUBO, args, { env, stdio: ['ignore', 'pipe', 'ignore'] })
  run('init', '-e')
  run('config', 'Addresses.API', '/ip4/127.0.0.1/tcp/0')
  run('config', 'Addresses.Gateway', '/ip4/127.0.0.1/tcp/0')
  run('config', '--json', 'Addresses.Swarm', '[]')
  const daemon = spawn(process.env.KUBO, ['daemon', '--offline'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise(done => daemon.once('exit', done))
  process.once('exit', () => daemon.kill('SIGKILL'))
  for await (const line of daemon.stdout) {
    if (`${line}`.includes('Daemon is ready')) {
      break
    }
  }
  const port = readFileSync(join(repo, 'api'), 'utf8').trim().split('/').at(-1)
  const stop = async () => {
    daemon.kill('SIGTERM')
    await ended
    rmSync(repo, { recursive: true, force: true })
  }
  return { client: create({ url: `http://127.0.0.1:${port}/api/v0` }), stop }
}

function tree () {
  return [
    { path: 'd/b.bin', content: big },
    { path: 'd/e/c.txt', content: 'deeper' },
    { path: 'a.txt', content: 'hello\n' },
    { path: 'empty' }
  ]
}

function wide () {
  return Array.from({ length: 300 }, (_, at) => ({ path: `wide/${at}`, content: `file ${at}` }))
}

async function rootOf (client) {
  return (await last(client.addAll(tree(), { wrapWithDirectory: true }))).cid
}

async function valueOf (client) {
  return client.dag.put({ list: ['a', 'b'], tree: await rootOf(client) }, { pin: true })
}

async function all (source) {
  const items = []
  for await (const item of source) {
    items.push(item)
  }
  return items
}

async function last (source) {
  return (await all(source)).at(-1)
}

async function bytes (source) {
  return new Uint8Array(Buffer.concat(await all(source)))
}

async function fails (promise) {
  try {
    await promise
  } catch (error) {
    return String(error.message)
  }
  throw new Error('this should have been refused')
}

/** The same with CIDs as text. */
function plain (value) {
  if (value instanceof Uint8Array || value === null || typeof value !== 'object') {
    return value
  }
  const cid = CID.asCID(value)
  if (cid) {
    return `${cid}`
  }
  if (Array.isArray(value)) {
    return value.map(plain)
  }
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]))
}
