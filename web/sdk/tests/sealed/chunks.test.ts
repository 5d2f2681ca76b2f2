import { describe, expect, test } from 'vitest'
import { cut } from '../../src/content/pieces.js'
import { concat, fromHex, toHex } from '../../src/core/bytes.js'
import { FileCipher, HEADER_BYTES, splitHeader } from '../../src/sealed/chunks.js'
import { bindList, checkList, encryptionValue, readEncryption, type SealedTo } from '../../src/sealed/encryption.js'
import { vectors } from '../vectors.js'

interface Vector {
  name: string
  content_key: string
  chunk_log2: number
  salt: string
  plain: string
  repeated: number
  header: string
  bytes: number
  sha256: string
}

const hex = (text: string) => fromHex(text) ?? new Uint8Array(0)

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return concat(all)
}

async function open(key: Uint8Array, file: Uint8Array, pieceBytes = 70_000): Promise<Uint8Array> {
  const [header, body] = await splitHeader(cut(file, pieceBytes))
  return collect((await FileCipher.open(key, header)).open(body))
}

/** A file of small chunks. */
async function sealed(bytes: number) {
  const key = new Uint8Array(32).fill(7)
  const plain = new Uint8Array(bytes).map((_, i) => (i * 7919) >> 5)
  const cipher = await FileCipher.create(key, 12)
  return { key, plain, cipher, file: await collect(cipher.seal(plain)) }
}

describe('files in chunks', () => {
  test.each(vectors<{ vectors: Vector[] }>('sealed/chunks.json').vectors)(
    'are those of another implementation: $name',
    async (vector) => {
      const key = hex(vector.content_key)
      const plain = concat(Array(vector.repeated).fill(hex(vector.plain)))
      const cipher = await FileCipher.create(key, vector.chunk_log2, hex(vector.salt))
      expect(toHex(cipher.header)).toBe(vector.header)
      const file = await collect(cipher.seal(plain))
      expect(file.length).toBe(vector.bytes)
      expect(toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', file)))).toBe(vector.sha256)
      expect(Buffer.compare(await open(key, file), plain)).toBe(0)
      expect(cipher.plainBytes(file.length)).toBe(plain.length)
    },
  )

  test('open in whatever pieces they come, and in parts', async () => {
    const { key, plain, cipher, file } = await sealed(3 * 4_096 + 17)
    for (const piece of [1, 63, 64, 65, 4_112, file.length]) {
      expect(Buffer.compare(await open(key, file, piece), plain), `${piece}`).toBe(0)
    }
    const edges = [0, 1, 4_095, 4_096, 4_097, 3 * 4_096, plain.length - 1, plain.length, plain.length + 9]
    for (const from of edges) {
      for (const to of edges) {
        const span = cipher.span(file.length, from, to)
        expect(span !== undefined, `${from} to ${to}`).toBe(from < Math.min(to, plain.length))
        if (!span) continue
        const part = await collect(cipher.openSpan(cut(file.subarray(span.from, span.to), 1_000), span))
        expect(Buffer.compare(part, plain.subarray(from, to)), `${from} to ${to}`).toBe(0)
      }
    }
  })

  test('that were changed, cut off, made longer or put together otherwise do not open', async () => {
    const { key, plain, cipher, file } = await sealed(2 * 4_096)
    const at = (chunk: number) => HEADER_BYTES + chunk * 4_112
    const [head, first, second] = [file.subarray(0, at(0)), file.subarray(at(0), at(1)), file.subarray(at(1))]
    const bad: Record<string, Uint8Array> = {
      'cut at a chunk': concat([head, first]),
      'cut in a chunk': file.subarray(0, -1),
      'header alone': head,
      swapped: concat([head, second, first]),
      repeated: concat([head, first, first, second]),
      longer: concat([file, Uint8Array.of(0)]),
      'an empty chunk behind': concat([file, new Uint8Array(16)]),
    }
    for (const [name, one] of Object.entries(bad)) {
      await expect(open(key, one), name).rejects.toMatchObject({ code: 'sealed-changed' })
    }
    for (const place of [0, 8, 9, 12, 20, 40, 64, 4_175, file.length - 1]) {
      const changed = file.slice()
      changed[place] = (changed[place] as number) ^ 1
      await expect(open(key, changed), `byte ${place}`).rejects.toMatchObject({
        code: expect.stringMatching(/^(sealed-changed|wrong-key|not-sealed)$/),
      })
    }
    await expect(open(new Uint8Array(32), file)).rejects.toMatchObject({ code: 'wrong-key' })
    await expect(open(key, file.subarray(0, 63))).rejects.toMatchObject({ code: 'not-sealed' })
    expect(() => cipher.plainBytes(HEADER_BYTES + 15)).toThrow(/does not open/)
    expect(plain.length).toBe(cipher.plainBytes(file.length))
  })
})

describe('the list of who can open it', () => {
  const to = (who: string, n: number, label?: string): SealedTo => ({
    who,
    key: new Uint8Array(32).fill(n),
    ...(label !== undefined && { label }),
  })

  test('is found out where it was changed', () => {
    const key = new Uint8Array(32).fill(1)
    const good = bindList(key, 'jwe', [to('0xaa', 1), to('0xbb', 2, 'phone')])
    expect(() => checkList(key, good)).not.toThrow()
    const changed = [
      { ...good, to: [...good.to, to('0xcc', 3)] },
      { ...good, to: [to('0xaa', 3), ...good.to.slice(1)] },
      { ...good, to: [to('0xaa', 1, 'phone'), ...good.to.slice(1)] },
      { ...good, to: good.to.slice(1) },
      { ...good, to: good.to.toReversed() },
      { ...good, form: 'chunks' as const },
    ]
    for (const one of changed) expect(() => checkList(key, one)).toThrow(/changed by somebody who cannot/)
    expect(() => checkList(new Uint8Array(32), good)).toThrow()
  })

  test('is read in its one form only', () => {
    const wrap = new Uint8Array(80)
    const good = { form: 'chunks' as const, to: [{ ...to('0xaa', 1), wrap }], mac: new Uint8Array(32) }
    const value = encryptionValue(good)
    expect(readEncryption(value)).toEqual(good)
    const bad = [
      { ...value, more: 1 },
      { ...value, form: 'other' },
      { ...value, mac: new Uint8Array(31) },
      { ...value, to: [] },
      { ...value, to: [{ who: '0xaa', key: new Uint8Array(32) }] },
      { ...value, to: [{ who: '', key: new Uint8Array(32), wrap }] },
      { ...value, to: [{ who: 'a\nb', key: new Uint8Array(32), wrap }] },
      { ...value, to: Array(2).fill({ who: '0xaa', key: new Uint8Array(32), wrap }) },
      { ...value, form: 'jwe' },
      'text',
    ]
    for (const one of bad) expect(readEncryption(one)).toBeUndefined()
  })
})
