import { deflateSync } from 'node:zlib'
import { Client, Core, keySigner, Session } from '../../sdk/src/index.js'

/** Somebody's core as a program has it, beside what the browser does. */
export async function coreOf(url: string, secret: string): Promise<Core> {
  return Core.open(await Session.signIn(new Client(url), keySigner(secret)))
}

/** Publishes one of each kind that the console shows. */
export async function publishSome(url: string, secret: string): Promise<void> {
  const core = await coreOf(url, secret)
  const { content } = core
  await content.putDirectory(
    'site',
    {
      'index.html': '<!doctype html><h1>Hello</h1>',
      'css/site.css': 'h1 { color: teal }',
      'img/dot.png': picture(64, 64),
    },
    { visibility: 'public' },
  )
  await content.put('photos/2026/coast.png', picture(640, 400), { visibility: 'public' })
  await content.put('photos/2026/fields.png', picture(320, 400), { visibility: 'members' })
  await content.put('notes/first.md', '# A note\n\nNobody else reads this.\n')
  await content.put('data/measurements.json', JSON.stringify({ at: '2026-05-01', values: [1, 2, 3.5], ok: true }))
  await content.put('readme.txt', 'What is here, and why.\n', { visibility: 'public' })
  await core.sync()
}

/** A picture of two colours running into each other, as PNG. */
export function picture(width: number, height: number): Uint8Array {
  const rows = Buffer.alloc(height * (1 + width * 3))
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * (1 + width * 3) + 1 + x * 3
      rows[at] = 40 + Math.round((160 * x) / width)
      rows[at + 1] = 90 + Math.round((120 * y) / height)
      rows[at + 2] = 140
    }
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([
    signature,
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1))
  }
  return (crc ^ 0xffffffff) >>> 0
}
