import { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import { type Block, verifyBlock } from '../../src/content/block.js'
import { decodeCar, encodeCar } from '../../src/content/car.js'
import { encodeNode } from '../../src/content/dag-pb.js'
import { nameHash } from '../../src/content/hamt.js'
import { readDirectory, readFile, resolvePath } from '../../src/content/read.js'
import { importDirectory, importFile } from '../../src/content/unixfs.js'
import { concat } from '../../src/core/bytes.js'
import { IntegrityError } from '../../src/errors.js'
import { vectors } from '../vectors.js'

interface Case {
  cid: string
  dag_size: number
}

const profile = vectors<{
  profiles: {
    'unixfs-v1-2025': {
      files: (Case & { size: number })[]
      directories: (Case & { names: string; count: number; filler?: number })[]
    }
  }
}>('unixfs.json').profiles['unixfs-v1-2025']

/** The stream of bytes that the vectors are made of: xorshift32 from 1, little-endian. */
function stream(count: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(count / 4))
  let n = 1
  for (let i = 0; i < words.length; i++) {
    n ^= n << 13
    n ^= n >>> 17
    n ^= n << 5
    words[i] = n
  }
  return new Uint8Array(words.buffer, 0, count)
}

function nameOf(kind: string, index: number): string {
  if (kind === 'short') return `${index}`
  if (kind === 'padded') return `entry-${`${index}`.padStart(6, '0')}.txt`
  return kind === 'varied' ? `${index}-${'x'.repeat((index * 31) % 120)}` : `ä${index}-日本語-🦀`
}

/** A sink that keeps blocks, and a source that gives them. */
function store() {
  const blocks = new Map<string, Block>()
  return {
    blocks,
    sink: async (block: Block) => void blocks.set(block.cid.toString(), block),
    source: async (cid: CID) => (blocks.get(cid.toString()) as Block).bytes,
  }
}

test('files have the CIDs of other implementations, and read back', async () => {
  for (const { size, cid, dag_size } of profile.files.filter(({ size }) => size < 20_000_000)) {
    const { sink, source } = store()
    const data = stream(size)
    const root = await importFile(data, sink)
    expect([root.cid.toString(), root.dagSize, root.size], `${size} bytes`).toEqual([cid, dag_size, size])
    const read: Uint8Array[] = []
    for await (const piece of readFile(source, root.cid)) read.push(piece)
    expect(Buffer.compare(concat(read), data), `${size} bytes`).toBe(0)
  }
})

test('it does not matter in which pieces a file comes', async () => {
  const data = stream(2_097_153)
  const pieces = async function* () {
    for (let at = 0; at < data.length; at += 777_777) yield data.subarray(at, at + 777_777)
  }
  const ignore = async () => {}
  const whole = await importFile(data, ignore)
  expect(await importFile(pieces(), ignore)).toEqual(whole)
  expect(await importFile(new Blob([data]), ignore)).toEqual(whole)
})

test('directories have the CIDs of other implementations, sharded ones too, and read back', async () => {
  const data = stream(1024)
  const files = await Promise.all(
    Array.from({ length: 300 }, (_, n) => importFile(data.subarray(0, n), async () => {})),
  )
  for (const { names, count, filler, cid, dag_size } of profile.directories.filter(({ count }) => count < 4_400)) {
    const { sink, source } = store()
    const entries = Array.from({ length: count }, (_, i) => ({
      name: nameOf(names, i),
      ...(files[(i * 37) % 300] as (typeof files)[0]),
    }))
    if (filler !== undefined) entries.push({ name: '~'.repeat(filler), ...(files[0] as (typeof files)[0]) })
    const root = await importDirectory(entries.reverse(), sink)
    expect([root.cid.toString(), root.dagSize], `${count} ${names} names`).toEqual([cid, dag_size])
    const listed: string[] = []
    for await (const { name } of readDirectory(source, root.cid)) listed.push(name)
    expect(listed.sort()).toEqual(entries.map(({ name }) => name).sort())
    const some = entries[Math.floor(count / 3)]
    if (some) expect((await resolvePath(source, root.cid, [some.name]))?.toString()).toBe(some.cid.toString())
    expect(await resolvePath(source, root.cid, ['not there'])).toBeUndefined()
  }
}, 120_000)

test('the hash of names is murmur3', () => {
  expect(nameHash('')).toBe(0n)
  expect(nameHash('hello')).toBe(0xcbd8a7b341bd9b02n)
  expect(nameHash('The quick brown fox jumps over the lazy dog')).toBe(0xe34bbc7bbc071b6cn)
})

test('blocks and CARs that lie are refused', async () => {
  const { sink, blocks, source } = store()
  const root = await importFile(stream(1_048_577), sink)
  const all = [...blocks.values()]
  const read: string[] = []
  const car = encodeCar([root.cid], all)
  const pieces = async function* (bytes: Uint8Array) {
    for (let at = 0; at < bytes.length; at += 65_537) yield bytes.subarray(at, at + 65_537)
  }
  for await (const { cid } of decodeCar(pieces(car))) read.push(cid.toString())
  expect(read).toEqual([...blocks.keys()])
  const drain = async (bytes: Uint8Array) => {
    for await (const _ of decodeCar(pieces(bytes)));
  }
  const changed = car.slice()
  changed[200_000] = (changed[200_000] as number) ^ 1
  await expect(drain(changed)).rejects.toThrow(IntegrityError)
  await expect(drain(car.subarray(0, car.length - 1))).rejects.toThrow(IntegrityError)
  await expect(drain(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x7f))).rejects.toThrow(IntegrityError)
  await expect(verifyBlock(root.cid, new Uint8Array(await source((all[0] as Block).cid)))).rejects.toThrow(
    IntegrityError,
  )
  const loop = CID.createV1(0x70, root.cid.multihash)
  const node = async () => encodeNode([{ cid: loop, name: '', tsize: 0 }], Uint8Array.of(8, 2))
  await expect(
    (async () => {
      for await (const _ of readFile(node, loop));
    })(),
  ).rejects.toThrow(/nests too deep/)
})
