import 'fake-indexeddb/auto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { newSecret, start, type TestNode } from './start.js'

const SOURCES = fileURLToPath(new URL('../../src', import.meta.url))
const PAGE = fileURLToPath(new URL('../../../../docs/build/sdk.md', import.meta.url))
const EXAMPLES = fileURLToPath(new URL('../examples', import.meta.url))

const page = await readFile(PAGE, 'utf8')
const examples: { under: string; code: string }[] = []
let under = ''
for (const [, heading, code] of page.matchAll(/^## (.*)$|^```ts\n([\s\S]*?)^```$/gm)) {
  if (heading !== undefined) under = heading
  if (code !== undefined) examples.push({ under, code })
}

// The reference is made of these.
for (const file of (await readdir(SOURCES, { recursive: true })).filter((name) => name.endsWith('.ts')).sort()) {
  const source = await readFile(join(SOURCES, file), 'utf8')
  for (const [, block] of source.matchAll(/@example\n *\* ```ts\n([\s\S]*?)\n *\* ```/g)) {
    examples.push({ under: file, code: (block ?? '').replace(/^ *\* ?/gm, '') })
  }
}

let node: TestNode
let dir: string
beforeAll(async () => {
  node = await start('[chains.1]\nurls = ["http://127.0.0.1:9"]\n')
  dir = await mkdtemp(join(tmpdir(), 'kubelt-sdk-'))
  await mkdir(EXAMPLES, { recursive: true })
  const account = privateKeyToAccount(newSecret() as `0x${string}`)
  const ethereum = {
    request: async ({ method, params }: { method: string; params?: [`0x${string}`] }) =>
      method === 'personal_sign' ? account.signMessage({ message: { raw: params?.[0] ?? '0x' } }) : [account.address],
  }
  vi.stubGlobal('window', Object.assign(new EventTarget(), { ethereum }))
})
afterAll(async () => {
  await node.stop()
  await rm(dir, { recursive: true })
  await rm(EXAMPLES, { recursive: true })
})

test.each(examples.map((example, i) => ({ i, ...example })))(
  'example $i of the documents runs: $under',
  async ({ i, under, code }) => {
    const said: unknown[][] = []
    const log = vi.spyOn(console, 'log').mockImplementation((...words) => void said.push(words))
    vi.stubEnv('WALLET_SECRET', newSecret())
    vi.stubEnv('OTHER_SECRET', newSecret())
    const file = join(EXAMPLES, `${i}.gen.ts`)
    await writeFile(file, code.replaceAll('http://127.0.0.1:4747', node.url).replace("'.kubelt'", JSON.stringify(dir)))
    try {
      await import(file)
    } finally {
      log.mockRestore()
    }
    if (code.includes('console.log'))
      expect(
        said.flat().every((word) => word !== undefined),
        under,
      ).toBe(true)
    if (under.startsWith('Publish')) expect(said.at(-1)).toEqual(['<h1>Hello</h1>', ['css', 'index.html']])
    if (under.startsWith('Read'))
      expect(said).toEqual([
        ['Ada', 1],
        [1, 0, []],
      ])
  },
)

test('there are examples in the page and in the reference', () => {
  expect(examples.filter(({ under }) => !under.endsWith('.ts')).length).toBeGreaterThanOrEqual(10)
  expect(examples.filter(({ under }) => under.endsWith('.ts')).length).toBeGreaterThanOrEqual(6)
})
