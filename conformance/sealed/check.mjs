// The worked example of docs/build/sealed-content.md, judged by npm `jose`: the address of a bank account is sealed to the
// published keys of an accounting service, fetched by its content address, and opened with a library that knows nothing
// of us; on the way it is handed from one core to another, with a proof that is checked with no node. And the other way round: what `jose` encrypts to a device's published key is opened here.

import { createServer } from 'node:http'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CompactEncrypt, FlattenedEncrypt, GeneralEncrypt, exportJWK, generalDecrypt, generateKeyPair, importJWK } from 'jose'
import { Checks } from '../checks.mjs'
import { startNode } from '../node.mjs'

const IBAN = 'DE89 3704 0044 0532 0130 00'
const KINDS = [
  ['x25519', 'ECDH-ES+A256KW', { crv: 'X25519' }],
  ['p256', 'ECDH-ES+A256KW', { crv: 'P-256' }],
  ['rsa', 'RSA-OAEP-256', { modulusLength: 2048 }]
]

const checks = new Checks()
const service = await accounting()
const node = await startNode()
try {
  const key = ['--passphrase-file', join(node.dir, 'passphrase')]
  await node.run(['key', 'new', 'laptop', ...key])
  writeFileSync(join(node.dir, 'iban.txt'), IBAN)
  const seal = ['seal', 'iban.txt', '--to', `jwks:${service.url}`, '--as', '@me/bank/iban', '--public']
  const sealed = await node.json(seal)
  await opened(sealed.cid, KINDS.map(([name]) => name))
  await checks.check('what was changed does not open', () => changed(sealed.cid))
  await checks.check('the sealer opens it, too', async () => {
    expect(String(await node.run(['open', '@me/bank/iban', ...key])), IBAN)
  })
  const anew = await node.json(['grant', 'rm', '@me/bank/iban', '--to', `jwks:${service.url}#p256`, ...key])
  await opened(anew.cid, ['x25519', 'rsa'])
  await checks.check('a key that was taken away opens it no more', async () => {
    await mustFail(async () => generalDecrypt(await fetched(anew.cid), service.keys.p256.privateKey))
    const { status } = await node.anonymous(`/ipfs/${sealed.cid}`)
    expect(status, 404)
  })
  await exchanged(key)
  for (const [name, serialise] of Object.entries(serialisations())) {
    await checks.check(`jose seals to a published key: ${name}`, async () => {
      const answer = await node.anonymous(`${node.core}/-/keys`)
      const [jwk] = (await answer.json()).keys
      const message = await serialise(await importJWK(jwk), jwk.kid)
      const text = typeof message === 'string' ? message : JSON.stringify(message)
      writeFileSync(join(node.dir, 'message.jwe'), text)
      expect(String(await node.run(['open', 'message.jwe', ...key])), IBAN)
    })
  }
} finally {
  await node.stop()
  service.stop()
}
checks.close()
process.exit()

/** A customer hands the address of their account, sealed to the service, to the core of a company. */
async function exchanged (key) {
  await node.run(['core', 'create', '@me/acme', ...key])
  const sealed = await node.json(['seal', 'iban.txt', '--to', `jwks:${service.url}`, '--as', '@me/accounts/main'])
  await checks.equal('in the first core it is private', (await node.anonymous(`/ipfs/${sealed.cid}`)).status, 404)
  const sent = await node.json(['send', '@me/accounts/main', '--to', '@acme/inbox/', '--public'])
  await checks.equal('the second core has the same bytes', [sent.cid, sent.path], [sealed.cid, 'inbox/main'])
  await opened(sealed.cid, KINDS.map(([name]) => name))
  const shown = await node.json(['verify', '@acme/inbox/main'])
  await checks.equal('who put it into each core is shown', [shown.here.path, shown.from.path], ['content/inbox/main', 'content/accounts/main'])
  await node.run(['get', '@acme/inbox/main.proof', '-o', 'main.proof'])
  const bytes = new Uint8Array(await (await node.anonymous(`/ipfs/${sealed.cid}`)).arrayBuffer())
  writeFileSync(join(node.dir, 'main.jwe'), bytes)
  writeFileSync(join(node.dir, 'other.jwe'), bytes.with(bytes.length - 3, bytes.at(-3) ^ 1))
  // Nobody listens there: what follows asks no node.
  const offline = content => ['verify', 'main.proof', '--content', content, '--node', 'http://127.0.0.1:1']
  const proof = await node.json(offline('main.jwe'))
  await checks.equal('offline, its provenance', [proof.cid, proof.by, proof.path, proof.sealed, proof.unchecked], [sealed.cid, node.account, 'content/accounts/main', true, []])
  await checks.check('offline, other bytes are found out', () => mustFail(() => node.run(offline('other.jwe'))))
  const changed = readFileSync(join(node.dir, 'main.proof'))
  changed[changed.length - 3] ^= 1
  writeFileSync(join(node.dir, 'main.proof'), changed)
  await checks.check('offline, a changed proof is found out', () => mustFail(() => node.run(offline('main.jwe'))))
}

/** A service that publishes a key of each kind, and one that is for signatures only. */
async function accounting () {
  const keys = {}
  const published = []
  for (const [kid, alg, options] of KINDS) {
    keys[kid] = await generateKeyPair(alg, { ...options, extractable: true })
    published.push({ ...await exportJWK(keys[kid].publicKey), kid, alg, use: 'enc' })
  }
  const signing = await generateKeyPair('EdDSA', { extractable: true })
  published.push({ ...await exportJWK(signing.publicKey), kid: 'signs', use: 'sig' })
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/jwk-set+json')
    response.end(JSON.stringify({ keys: published }))
  })
  await new Promise(ready => server.listen(0, '127.0.0.1', ready))
  const url = `http://127.0.0.1:${server.address().port}/jwks.json`
  return { url, keys, stop: () => server.close() }
}

/** The message by its CID, as anybody gets it. */
async function fetched (cid) {
  const answer = await node.anonymous(`/ipfs/${cid}`)
  return answer.json()
}

async function opened (cid, names) {
  for (const name of names) {
    await checks.check(`jose opens it with ${name}`, async () => {
      const { plaintext } = await generalDecrypt(await fetched(cid), service.keys[name].privateKey)
      expect(new TextDecoder().decode(plaintext), IBAN)
    })
  }
}

async function changed (cid) {
  const message = await fetched(cid)
  for (const part of ['ciphertext', 'iv', 'tag', 'protected']) {
    const [first, ...rest] = message[part]
    const other = { ...message, [part]: [first === 'A' ? 'B' : 'A', ...rest].join('') }
    await mustFail(() => generalDecrypt(other, service.keys.x25519.privateKey))
  }
}

function serialisations () {
  const bytes = new TextEncoder().encode(IBAN)
  const header = kid => ({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM', kid })
  return {
    compact: (key, kid) => new CompactEncrypt(bytes).setProtectedHeader(header(kid)).encrypt(key),
    flattened: (key, kid) => new FlattenedEncrypt(bytes).setProtectedHeader(header(kid)).encrypt(key),
    general: async (key, kid) => {
      const other = await generateKeyPair('ECDH-ES+A256KW', { crv: 'X25519' })
      const message = new GeneralEncrypt(bytes).setProtectedHeader({ enc: 'A256GCM' })
      message.addRecipient(other.publicKey).setUnprotectedHeader({ alg: 'ECDH-ES+A256KW' })
      message.addRecipient(key).setUnprotectedHeader({ alg: 'ECDH-ES+A256KW', kid })
      return message.encrypt()
    }
  }
}

function expect (found, expected) {
  if (found !== expected) {
    throw new Error(`found ${found}, not ${expected}`)
  }
}

async function mustFail (body) {
  let failed = false
  try {
    await body()
  } catch {
    failed = true
  }
  if (!failed) {
    throw new Error('it opened')
  }
}
