// Kubo fetches what a node publishes, and the node what Kubo has.

import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { startKubo } from '../kubo/kubo.mjs'
import { pinned, untilGone } from './pins.mjs'

const MIB = 1 << 20

export async function exchangeWithKubo (checks, node, dir, sizes) {
  const kubo = await startKubo({ online: true })
  try {
    await kubo.run(['swarm', 'connect', node.peers[0]])
    await fetchedByKubo(checks, node, kubo, dir, sizes)
    await readFromKubo(checks, node, kubo)
    await fetchedFromKubo(checks, node, kubo, dir, sizes)
  } finally {
    await kubo.stop()
  }
}

/** What Kubo gets of what the node has. */
async function fetchedByKubo (checks, node, kubo, dir, sizes) {
  const fetch = (cid, wait = '60s') => kubo.run(['cat', `--timeout=${wait}`, cid])
  const refused = (name, cid) => checks.check(name, async () => {
    await fetch(cid, '2s').then(() => { throw new Error('Kubo got it') }, error => {
      if (!/deadline|timeout|not found/i.test(String(error.stderr))) { throw error }
    })
  })

  const { cid: small } = await node.json(['put', '@me/small.txt', '-', '--public'], { input: 'small\n' })
  await checks.check('Kubo fetches a small file', async () => same(await fetch(small), Buffer.from('small\n')))

  const { cid: tree } = await node.json(['publish', 'tree', '--to', '@me/tree', '--public'], { cwd: dir })
  await checks.check('Kubo fetches a directory', async () => {
    await kubo.run(['refs', '--timeout=60s', '-r', tree])
    same(await kubo.run(['cat', `${tree}/inner/b.bin`]), Buffer.alloc(3_000_000, 'pattern '))
    await kubo.run(['pin', 'add', '--timeout=10s', tree])
  })

  const { cid: secret } = await node.json(['put', '@me/secret.txt', '-'], { input: 'a secret\n' })
  await refused('Kubo never gets a private file', secret)

  const { cid: brief } = await node.json(['put', '@me/brief.txt', '-', '--public'], { input: 'for a moment\n' })
  await node.run(['rm', '@me/brief.txt'])
  await refused('Kubo does not get what is published no more', brief)

  const closed = await node.json(['put', '@me/closed/file.txt', '-', '--public'], { input: 'by path only\n' })
  await node.run(['config', '@me', 'exposure/closed', '{"ipfs": false}'])
  await refused('Kubo does not get what is closed to IPFS', closed.cid)

  const big = join(dir, 'big')
  const digest = await write(big, sizes.bytes, 1)
  const { cid } = await node.json(['put', '@me/big', big, '--public'])
  await checks.check(`Kubo fetches ${sizes.bytes / MIB} MiB`, async () => {
    const began = Date.now()
    await kubo.run(['pin', 'add', '--timeout=280s', cid])
    console.log(`Kubo fetched ${sizes.bytes / MIB} MiB in ${Date.now() - began} ms`)
    const copy = join(dir, 'copy')
    await kubo.run(['get', '--timeout=60s', `--output=${copy}`, cid])
    same(await digestOf(copy), digest)
  })
}

/** What the node's gateway gives to its reader of what Kubo has, and keeps from others. */
async function readFromKubo (checks, node, kubo) {
  const bytes = Buffer.alloc(3_000_000, 'read through ')
  const cid = await kubo.text(['add', '-Q', '--cid-version=1', '--chunker=size-100000'], { input: bytes })
  const only = { headers: { 'cache-control': 'only-if-cached' } }
  await checks.check('a stranger gets nothing of Kubo through the gateway', async () => {
    status(await node.anonymous(`/ipfs/${cid}`), 404)
    status(await node.anonymous(`/ipfs/${cid}`, only), 412)
    status(await node.fetch(`/ipfs/${cid}`, only), 412)
  })
  await checks.check('the gateway gives its reader what only Kubo has', async () => {
    const response = status(await node.fetch(`/ipfs/${cid}`), 200)
    same(Buffer.from(await response.arrayBuffer()), bytes)
    const way = response.headers.get('server-timing')
    if (!/^peer;desc=/.test(way)) { throw new Error(`it came by ${way}`) }
    const part = status(await node.fetch(`/ipfs/${cid}`, { headers: { range: 'bytes=2500000-2500099' } }), 206)
    same(Buffer.from(await part.arrayBuffer()), bytes.subarray(2_500_000, 2_500_100))
    status(await node.anonymous(`/ipfs/${cid}`), 404)
  })
}

/** The response, which must have this status. */
function status (response, expected) {
  if (response.status !== expected) { throw new Error(`the status is ${response.status}, not ${expected}`) }
  return response
}

/** What the node gets of what Kubo has. */
async function fetchedFromKubo (checks, node, kubo, dir, sizes) {
  const add = async (path, ...options) => (await kubo.text(['add', '-Q', '-r', '--cid-version=1', ...options, path], { cwd: dir }))
  const fetched = (name, cid, path, expected) => checks.check(name, async () => {
    const began = Date.now()
    const pin = await pinned(node, cid)
    console.log(`${name}: ${Date.now() - began} ms`)
    const response = await node.fetch(`/ipfs/${cid}${path}`)
    if (response.status !== 200) { throw new Error(`${response.status}: ${await response.text()}`) }
    same(createHash('sha256').update(Buffer.from(await response.arrayBuffer())).digest(), expected)
    return pin
  })

  const text = Buffer.from('of Kubo\n')
  const small = await kubo.text(['add', '-Q'], { input: text })
  await fetched('a node fetches a small file', small, '', hash(text))
  const tree = await add('tree', '--chunker=size-100000')
  await fetched('a node fetches a directory', tree, '/inner/b.bin', hash(Buffer.alloc(3_000_000, 'pattern ')))

  const many = await write(join(dir, 'many'), sizes.blocks * 1024, 2)
  await fetched(`a node fetches ${sizes.blocks} small blocks`, await add('many', '--chunker=size-1024', '--raw-leaves'), '', many)
  const big = await write(join(dir, 'big'), sizes.bytes, 3)
  await fetched(`a node fetches ${sizes.bytes / MIB} MiB`, await add('big', '--raw-leaves'), '', big)

  await checks.check('a pin that nobody has waits', async () => {
    await untilGone(node, 'bafkreie5cvv4h45feadgeuwhbcutmh6t2ceseocckahdoe6uat64zmz454')
  })
  await checks.check('Kubo fetches small blocks back', async () => {
    const cid = await add('many', '--chunker=size-1024', '--raw-leaves', '--only-hash')
    await kubo.run(['pin', 'ls', cid]).then(() => kubo.run(['pin', 'rm', cid]), () => {})
    await kubo.run(['repo', 'gc', '--quiet'])
    const began = Date.now()
    await kubo.run(['pin', 'add', '--timeout=280s', cid])
    console.log(`Kubo fetched ${sizes.blocks} small blocks in ${Date.now() - began} ms`)
    same(hash(await kubo.run(['cat', '--timeout=60s', cid])), many)
  })
}

function same (found, expected) {
  if (!Buffer.from(found).equals(Buffer.from(expected))) {
    throw new Error(`other bytes came: ${found.length} of them, not ${expected.length}`)
  }
}

async function digestOf (path) {
  const digest = createHash('sha256')
  for await (const piece of createReadStream(path)) { digest.update(piece) }
  return digest.digest()
}

function hash (bytes) {
  return createHash('sha256').update(bytes).digest()
}

/** Writes a file of bytes that follow from a seed, no block like another; gives its digest. */
async function write (path, bytes, seed) {
  const out = createWriteStream(path)
  const digest = createHash('sha256')
  let state = hash(Buffer.from([seed]))
  const piece = Buffer.alloc(MIB)
  for (let left = bytes; left > 0; left -= MIB) {
    for (let at = 0; at < MIB; at += 1024) {
      state = hash(state)
      // A block of 1 KiB is like no other once its first bytes are.
      state.copy(piece, at)
    }
    const part = Buffer.from(piece.subarray(0, Math.min(left, MIB)))
    digest.update(part)
    if (!out.write(part)) { await new Promise(done => out.once('drain', done)) }
  }
  out.end()
  await finished(out)
  return digest.digest()
}

