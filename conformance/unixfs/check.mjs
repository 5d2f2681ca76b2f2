// Makes the vectors with the reference importer and compares them with `spec/vectors/unixfs.json`, or writes
// that file when called with `--write`. The Rust side of the comparison is a test of `kubelt-content`.

import { readFileSync, writeFileSync } from 'node:fs'
import { BlackHoleBlockstore } from 'blockstore-core/black-hole'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { contentLength, directories, fileSizes, MIB, NAMES, PROFILES, repeatedChunks, Stream, trees } from './cases.mjs'

const VECTORS = new URL('../../spec/vectors/unixfs.json', import.meta.url)
const PIECE = MIB
const START = new Stream().fill(new Uint8Array(4 * MIB))
const { dependencies } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'))

const made = { source: `npm ipfs-unixfs-importer ${dependencies['ipfs-unixfs-importer']}`, profiles: {} }
for (const [name, profile] of Object.entries(PROFILES)) {
  made.profiles[name] = await vectors(profile)
  console.log(`${name}: made`)
}
const text = format(made)

if (process.argv.includes('--write')) {
  writeFileSync(VECTORS, text)
  console.log('written')
} else {
  const expected = readFileSync(VECTORS, 'utf8').split('\n')
  const found = text.split('\n')
  let failed = 0
  for (let line = 0; line < Math.max(expected.length, found.length); line++) {
    if (expected[line] !== found[line]) {
      failed++
      console.error(`line ${line + 1}:\n  vectors:  ${expected[line]}\n  importer: ${found[line]}`)
    }
  }
  console.log(`${found.filter(line => line.includes('"cid"')).length - failed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}

async function vectors (profile) {
  const out = { files: [], repeated: [], directories: [], trees: [], others: [] }
  for (const size of fileSizes(profile)) {
    out.files.push({ size, ...await root([{ content: stream(size) }], profile) })
  }
  for (const { chunks, tail } of repeatedChunks(profile)) {
    const content = repeat(chunks, tail, profile)
    out.repeated.push({ chunks, tail, ...await root([{ content }], profile, { bufferImporter: remembering(profile) }) })
  }
  for (const recipe of directories(profile)) {
    out.directories.push({ ...recipe, ...await root(entries(recipe), profile, { wrapWithDirectory: true }) })
  }
  for (const [name, paths] of Object.entries(trees())) {
    const candidates = Object.entries(paths).map(([path, what]) =>
      typeof what === 'string' ? { path, link: what } : { path, content: START.subarray(0, what) })
    out.trees.push({ names: name, ...await root(candidates, profile, { wrapWithDirectory: true }) })
  }
  const mtime = { secs: 1_700_000_000n, nsecs: 5 }
  const two = START.subarray(0, 2 * profile.chunk)
  out.others.push({ type: 'symlink', ...await root([{ path: 'l', link: '../target/ü' }], profile) })
  out.others.push({ type: 'file with mode and mtime', ...await root([{ content: two, mode: 0o600, mtime }], profile) })
  out.others.push({ type: 'directory with mode and mtime', ...await root([{ path: 'd', mode: 0o700, mtime: { secs: -1n } }], profile) })
  return out
}

async function root (source, profile, more) {
  const { cid, size } = await last(source, profile, more)
  return { cid: cid.toString(), dag_size: Number(size) }
}

// The last thing that an import gives is its root.
async function last (source, profile, more = {}) {
  const named = profile.named != null
    ? { profile: profile.named }
    : {
        cidVersion: profile.cidVersion,
        rawLeaves: profile.rawLeaves,
        chunker: fixedSize({ chunkSize: profile.chunk }),
        layout: balanced({ maxChildrenPerNode: profile.width }),
        shardSplitStrategy: profile.rule,
        shardSplitThresholdBytes: 262_144,
        shardFanoutBits: 8
      }
  let result
  for await (const entry of importer(source, new BlackHoleBlockstore(), { ...named, ...more })) {
    result = entry
  }
  return result
}

function * stream (size) {
  const source = new Stream()
  for (let left = size; left > 0; left -= PIECE) {
    yield source.fill(new Uint8Array(PIECE)).subarray(0, Math.min(left, PIECE))
  }
}

function * repeat (chunks, tail, profile) {
  const chunk = START.subarray(0, profile.chunk)
  for (let index = 0; index < chunks; index++) {
    yield chunk
  }
  if (tail > 0) {
    yield START.subarray(0, tail)
  }
}

// Leaves by the importer, each of them once: a chunk that comes again is not hashed again.
function remembering (profile) {
  const leaves = new Map()
  return async function * (file) {
    for await (const block of file.content) {
      if (!leaves.has(block.length)) {
        const leaf = await last([{ content: block }], profile)
        leaves.set(block.length, { cid: leaf.cid, unixfs: leaf.unixfs, size: leaf.size, block })
      }
      yield async () => leaves.get(block.length)
    }
  }
}

function entries ({ names, count, filler }) {
  const out = []
  for (let index = 0; index < count; index++) {
    out.push({ path: NAMES[names](index), content: START.subarray(0, contentLength(index)) })
  }
  if (filler != null) {
    out.push({ path: '~'.repeat(filler), content: START.subarray(0, 0) })
  }
  return out
}

// One case a line, so that a difference names itself.
function format ({ source, profiles }) {
  const list = cases => `[\n${cases.map(one => `   ${JSON.stringify(one)}`).join(',\n')}\n  ]`
  const groups = groups => Object.entries(groups).map(([name, cases]) => `  "${name}": ${list(cases)}`).join(',\n')
  const all = Object.entries(profiles).map(([name, of]) => ` "${name}": {\n${groups(of)}\n }`)
  return `{"source": ${JSON.stringify(source)}, "profiles": {\n${all.join(',\n')}\n}}\n`
}
