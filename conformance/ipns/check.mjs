// Exchanges IPNS records with the reference implementation through `spec/vectors/ipns.json`. The records are made and
// validated here; a test of `kubelt-content` validates them too, and makes those that come from a seed byte for byte,
// so that what it signs is validated here as well. `--write` makes them anew: those of RSA and ECDSA by new keys.

import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { generateKeyPair, generateKeyPairFromSeed, privateKeyFromRaw } from '@libp2p/crypto/keys'
import { createIPNSRecordWithExpiration, marshalIPNSRecord, multihashToIPNSRoutingKey, unmarshalIPNSRecord } from 'ipns'
import { ipnsValidator } from 'ipns/validator'
import { base36 } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { create as createDigest, decode as decodeDigest } from 'multiformats/hashes/digest'
import { sha256 } from 'multiformats/hashes/sha2'

const VECTORS = new URL('../../spec/vectors/ipns.json', import.meta.url)
const { dependencies } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'))
const CASES = [
  { title: 'a CID', value: '/ipfs/bafkqaddimvwgy3zao5xxe3debi', sequence: '0', end: '2099-01-02T03:04:05.000000006Z', ttl: '300000000000' },
  { title: 'only the second generation', value: '/ipfs/bafkqaddimvwgy3zao5xxe3debi', sequence: '7', end: '2099-12-31T23:59:59.999999999Z', ttl: '0', v2Only: true },
  { title: 'a path with odd names', value: '/ipfs/bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354/a b/ü/日本語', sequence: '18446744073709551615', end: '2099-01-02T03:04:05.100000000Z', ttl: '18446744073709551615' },
  { title: 'another name', value: '/ipns/k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8', sequence: '23', end: '2099-01-02T03:04:05.000000000Z', ttl: '1' },
  { title: 'a DNSLink name', value: '/ipns/en.wikipedia-on-ipfs.org', sequence: '255', end: '2099-01-02T03:04:05.000000000Z', ttl: '4294967296' }
]
const SEED = new Uint8Array(32).fill(7)

if (process.argv.includes('--write')) {
  writeFileSync(VECTORS, format({ source: `npm ipns ${dependencies.ipns}`, records: await makeAll() }))
  console.log('written')
} else {
  const { records } = JSON.parse(readFileSync(VECTORS, 'utf8'))
  const failures = []
  await attempt('records of a seed are made again', async () => {
    const again = await makeFromSeed()
    again.forEach((made, at) => equal(made, records[at]))
  })
  for (const record of records) {
    await attempt(record.title, () => record.key === 'ECDSA' ? validateEcdsa(record) : validate(record))
  }
  console.log(`${1 + records.length - failures.length} passed, ${failures.length} failed`)
  process.exitCode = failures.length === 0 ? 0 : 1

  async function attempt (title, check) {
    try {
      await check()
    } catch (error) {
      failures.push(title)
      console.error(`${title}: ${error.message}`)
    }
  }
}

async function validate ({ name, peerId, value, sequence, end, ttl, record }) {
  const digest = decodeDigest(base58btc.decode(`z${peerId}`))
  equal(CID.createV1(0x72, digest).toString(base36), name)
  const bytes = Buffer.from(record, 'hex')
  await ipnsValidator(multihashToIPNSRoutingKey(digest), bytes)
  const found = unmarshalIPNSRecord(bytes)
  equal([found.value, String(found.sequence), found.validity, String(found.ttl)], [value, sequence, end, ttl])
}

// The library has another form of ECDSA keys and signatures than the specification.
async function validateEcdsa ({ peerId, value, record }) {
  const found = unmarshalIPNSRecord(Buffer.from(record, 'hex'))
  equal(found.value, value)
  equal(decodeDigest(base58btc.decode(`z${peerId}`)).digest, (await sha256.digest(found.pubKey)).digest)
  const key = createPublicKey({ key: Buffer.from(found.pubKey.subarray(4)), format: 'der', type: 'spki' })
  const signed = Buffer.concat([Buffer.from('ipns-signature:'), found.data])
  equal(verify('sha256', signed, { key, dsaEncoding: 'der' }, found.signatureV2), true)
}

async function makeAll () {
  const out = await makeFromSeed()
  for (const bits of [2048, 4096]) {
    out.push(await make(await generateKeyPair('RSA', bits), { ...CASES[0], title: `RSA of ${bits} bits` }))
  }
  const secp256k1 = privateKeyFromRaw(SEED)
  out.push(await make(secp256k1, { ...CASES[0], title: 'secp256k1' }))
  out.push(await ecdsa({ ...CASES[0], title: 'ECDSA over P-256' }))
  return out
}

async function makeFromSeed () {
  const key = await generateKeyPairFromSeed('Ed25519', SEED)
  const out = []
  for (const one of CASES) {
    out.push({ ...await make(key, one), seed: Buffer.from(SEED).toString('hex') })
  }
  return out
}

async function make (key, { title, value, sequence, end, ttl, v2Only = false }) {
  const options = { v1Compatible: !v2Only, ttlNs: BigInt(ttl) }
  const made = await createIPNSRecordWithExpiration(key, value, BigInt(sequence), end, options)
  // Nothing may be rounded: the library keeps the end as text.
  equal(made.validity, end)
  return describe(title, key.type, key.publicKey.toMultihash(), { value, sequence, end, ttl }, marshalIPNSRecord(made))
}

// The fields by the library, key and signature as the Peer Ids specification has them.
async function ecdsa (one) {
  const other = await generateKeyPair('Ed25519')
  const options = { v1Compatible: false, ttlNs: BigInt(one.ttl) }
  const made = await createIPNSRecordWithExpiration(other, one.value, BigInt(one.sequence), one.end, options)
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const info = publicKey.export({ format: 'der', type: 'spki' })
  const pubKey = Buffer.concat([Buffer.from([0x08, 3, 0x12, info.length]), info])
  const signed = Buffer.concat([Buffer.from('ipns-signature:'), made.data])
  const signatureV2 = sign('sha256', signed, { key: privateKey, dsaEncoding: 'der' })
  const digest = createDigest(sha256.code, (await sha256.digest(pubKey)).digest)
  return describe(one.title, 'ECDSA', digest, one, marshalIPNSRecord({ ...made, pubKey, signatureV2 }))
}

function describe (title, key, digest, { value, sequence, end, ttl }, bytes) {
  const name = CID.createV1(0x72, digest).toString(base36)
  const peerId = base58btc.encode(digest.bytes).slice(1)
  return { title, key, name, peerId, value, sequence, end, ttl, record: Buffer.from(bytes).toString('hex') }
}

function equal (found, expected) {
  const [left, right] = [JSON.stringify(found), JSON.stringify(expected)]
  if (left !== right) {
    throw new Error(`${left} is not ${right}`)
  }
}

// One record a line, so that a difference names itself.
function format ({ source, records }) {
  return `{"source": ${JSON.stringify(source)}, "records": [\n${records.map(one => ` ${JSON.stringify(one)}`).join(',\n')}\n]}\n`
}
