import { type BrowserContext, test as base, expect, type Page } from '@playwright/test'
import axe from 'axe-core'
import { startNode } from '../../../conformance/node.mjs'
import { serveConsole } from './serve.js'
import { TestWallet } from './wallet.js'

/** A node with the console. */
export interface ConsoleNode {
  /** Without a slash at its end. */
  readonly url: string
  /** Where peers reach it. */
  readonly peers: readonly string[]
}

interface Fixtures {
  /** What is in the browser of every page. */
  wallet: TestWallet
  /** A page at which nothing may go wrong unsaid: what its console reports as an error fails the test. */
  page: Page
  /** Opens a page in a browser of its own, with a wallet in it: somebody else, or another device. */
  visit: (wallet: TestWallet) => Promise<Page>
  /** What the page's console may report as errors, because the test makes it: requests that are refused. */
  expected: { errors: RegExp[] }
}

interface WorkerFixtures {
  /** More of the node's settings (TOML). */
  settings: string
  /** Serves the console that is packed into it; with `KUBELT_CONSOLE`, the one that was built into that folder. */
  node: ConsoleNode
}

/** Tests of the console: each has a browser of its own, and all of a file share a node. */
export const test = base.extend<Fixtures, WorkerFixtures>({
  settings: ['', { option: true, scope: 'worker' }],
  node: [
    async ({ settings }, use) => {
      const node = await startNode({ person: false, settings })
      const before = process.env['KUBELT_CONSOLE']
        ? await serveConsole(node.url, process.env['KUBELT_CONSOLE'])
        : undefined
      await use({ url: before?.url ?? node.url, peers: node.peers })
      before?.close()
      await node.stop()
    },
    { scope: 'worker' },
  ],
  baseURL: ({ node }, use) => use(`${node.url}/_/`),
  // biome-ignore lint/correctness/noEmptyPattern: the runner asks for it
  wallet: ({}, use) => use(new TestWallet()),
  // biome-ignore lint/correctness/noEmptyPattern: the runner asks for it
  expected: ({}, use) => use({ errors: [] }),
  page: async ({ page, context, wallet, expected }, use) => {
    const errors = watch(page)
    await wallet.install(context)
    await use(page)
    expect(unexpected(errors, expected)).toEqual([])
  },
  visit: async ({ browser, baseURL, expected }, use) => {
    const opened: { context: BrowserContext; errors: string[] }[] = []
    await use(async (wallet) => {
      const context = await browser.newContext({ ...(baseURL !== undefined && { baseURL }) })
      await wallet.install(context)
      const page = await context.newPage()
      opened.push({ context, errors: watch(page) })
      return page
    })
    for (const { context } of opened) await context.close()
    expect(opened.flatMap(({ errors }) => unexpected(errors, expected))).toEqual([])
  },
})

export { expect }

/** What a page's console reports as errors, from now on. */
function watch(page: Page): string[] {
  const errors: string[] = []
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
  page.on('pageerror', (error) => errors.push(String(error)))
  return errors
}

function unexpected(errors: readonly string[], expected: Fixtures['expected']): string[] {
  return errors.filter((error) => !expected.errors.some((known) => known.test(error)))
}

/** Opens the console and signs in; the wallet is asked once. */
export async function signIn(page: Page): Promise<void> {
  await page.goto('./')
  await page.getByRole('button', { name: 'Test wallet' }).click()
  await expect(page.getByRole('heading', { name: 'Your cores' })).toBeVisible()
}

/** Has the session cover a shared core, too: the wallet is asked once more. */
export async function signForCore(page: Page, core: string): Promise<void> {
  await page.goto(`@${core}/content`)
  await page.getByRole('button', { name: 'Sign for this core' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Test wallet' }).click()
  await expect(page.getByRole('heading', { name: 'Content', level: 1 })).toBeVisible()
}

/** Uploads one file from the page of content that is open; it is private. */
export async function upload(page: Page, name: string, content: string | Buffer): Promise<void> {
  await page
    .getByLabel('Files to upload')
    .setInputFiles([{ name, mimeType: 'text/plain', buffer: Buffer.from(content) }])
  await page.getByRole('dialog').getByRole('button', { name: 'Upload' }).click()
}

/** What axe finds wrong with a page as it is now. */
export async function axeFinds(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run())
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join('  ')}`)
}

/** The sizes and colours that every page is looked at in: each size, and both colours; all of them where pictures are kept. */
export const LOOKS = [375, 768, 1280].flatMap((width) =>
  (process.env['KUBELT_SCREENSHOTS']
    ? (['light', 'dark'] as const)
    : [width === 768 ? ('dark' as const) : ('light' as const)]
  ).map((colours) => ({ width, height: width === 375 ? 740 : 900, colours })),
)
