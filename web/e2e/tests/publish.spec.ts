import { readFileSync } from 'node:fs'
import type { Page } from '@playwright/test'
import { coreOf, picture } from '../src/content.js'
import { axeFinds, expect, signIn, test } from '../src/test.js'
import { choose, text } from '../src/upload.js'

async function openContent(page: Page): Promise<void> {
  await signIn(page)
  await page.getByRole('link', { name: 'Content', exact: true }).click()
  await expect(page.getByRole('heading', { name: 'Content', level: 1 })).toBeVisible()
}

test('from the first visit to the first published page', async ({ page, wallet, request }) => {
  await openContent(page)
  await choose(page, [{ name: 'index.html', mimeType: 'text/html', buffer: Buffer.from('<h1>Mine</h1>') }], 'Public')
  await page.getByRole('link', { name: 'index.html' }).click()
  await expect(page.getByLabel('The text of index.html')).toContainText('<h1>Mine</h1>')
  expect(wallet.signatures).toBe(1)

  // Anybody has it by its link, and by its hash.
  const links = page.locator('dd code')
  for (const link of await links.filter({ hasText: /^http/ }).allTextContents()) {
    const got = await request.get(link)
    expect([got.status(), await got.text()]).toEqual([200, '<h1>Mine</h1>'])
  }
  await page.getByRole('button', { name: 'Try each way' }).click()
  await expect(page.getByRole('heading', { name: 'Over HTTP, by its address' })).toBeVisible({ timeout: 30_000 })
  await expect(page.getByRole('button', { name: 'Try again' })).toBeVisible({ timeout: 30_000 })
})

test('versions come back, readers change, and what is deleted is gone', async ({ page, request }) => {
  await openContent(page)
  await choose(page, [text('a.txt', 'the first')], 'Public')
  await page.getByRole('link', { name: 'a.txt' }).click()
  await page.getByLabel('The core keeps of each path').selectOption('10 versions')
  await page.getByRole('link', { name: 'Content', exact: true }).click()
  await expect(page.getByRole('row', { name: /a\.txt Public/ })).toBeVisible()
  await page.getByLabel('Files to upload').setInputFiles([text('a.txt', 'the second')])
  await expect(page.getByRole('dialog').getByRole('alert')).toContainText('Replaces 1 path: a.txt')
  await page.getByRole('radio', { name: 'Public' }).check()
  await page.getByRole('button', { name: 'Replace' }).click()
  await page.getByRole('link', { name: 'a.txt' }).click()
  await expect(page.getByLabel('The text of a.txt')).toContainText('the second')
  const link = (await page.locator('dd code').filter({ hasText: '/@0x' }).textContent()) ?? ''

  await page.getByRole('button', { name: 'Restore' }).click()
  await expect(page.getByLabel('The text of a.txt')).toContainText('the first')
  await expect.poll(async () => (await request.get(link)).text()).toBe('the first')

  await page.getByRole('button', { name: 'Readers' }).click()
  await page.getByRole('radio', { name: 'Private' }).check()
  await page.getByRole('button', { name: 'Change' }).click()
  await expect.poll(async () => (await request.get(link)).status()).toBe(404)

  await page.getByRole('button', { name: 'Delete' }).click()
  expect(await axeFinds(page)).toEqual([])
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByRole('heading', { name: 'Nothing is published yet' })).toBeVisible()
})

test('an upload that breaks off goes on by itself, and sends only what is missing', async ({
  page,
  wallet,
  node,
  expected,
}) => {
  expected.errors.push(/Failed to load resource/)
  await openContent(page)
  const big = Buffer.concat(Array.from({ length: 12 }, (_, n) => Buffer.alloc(1024 * 1024, n)))
  let cars = 0
  let isBroken = true
  const sizes: number[] = []
  await page.route('**/-/car', async (route) => {
    cars++
    if (isBroken && cars > 1) return route.abort('connectionreset')
    sizes.push(route.request().postDataBuffer()?.length ?? 0)
    return route.continue()
  })
  await choose(page, [{ name: 'big.bin', mimeType: 'application/octet-stream', buffer: big }], 'Private')
  await expect(page.getByText('Goes on by itself')).toBeVisible({ timeout: 30_000 })
  await expect(page.getByRole('region', { name: 'Uploads' }).getByRole('alert')).toContainText(
    'The connection was lost',
  )
  isBroken = false
  await expect(page.getByRole('region', { name: 'Uploads' }).getByText('12.6 MB', { exact: true })).toBeVisible({
    timeout: 30_000,
  })
  // The first batch arrived before, and is not sent again.
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(big.length + 100_000)
  const core = await coreOf(node.url, wallet.secrets[0] as string)
  await core.sync()
  expect(Buffer.compare(await core.content.get('big.bin'), big)).toBe(0)
})

test('with no network it opens, is read and written, and sends what waits', async ({
  page,
  context,
  wallet,
  node,
  expected,
}) => {
  expected.errors.push(/Failed to load resource|ERR_INTERNET_DISCONNECTED/)
  await openContent(page)
  await choose(page, [text('before.txt', 'from before')], 'Private')
  await expect(page.getByRole('region', { name: 'Uploads' }).getByText('11 B', { exact: true })).toBeVisible()
  await page.evaluate(() => navigator.serviceWorker.ready)

  await context.setOffline(true)
  await page.reload()
  await expect(page.getByRole('link', { name: 'before.txt' })).toBeVisible()
  await choose(page, [text('meanwhile.txt', 'written offline')], 'Private')
  await expect(page.getByText('Kept on this device until there is a connection')).toBeVisible({ timeout: 30_000 })
  await page.getByRole('link', { name: 'meanwhile.txt' }).click()
  await expect(page.getByLabel('The text of meanwhile.txt')).toContainText('written offline')
  await expect(page.getByText('1 change to send')).toBeVisible()
  await page.reload()
  await expect(page.getByText('1 change to send')).toBeVisible()

  await context.setOffline(false)
  await expect(page.getByText('Up to date')).toBeVisible({ timeout: 30_000 })
  const core = await coreOf(node.url, wallet.secrets[0] as string)
  await core.sync()
  expect(await core.content.text('meanwhile.txt')).toBe('written offline')
})

test('pictures and downloads are what was uploaded', async ({ page }) => {
  await openContent(page)
  const bytes = Buffer.from(picture(60, 40))
  await choose(page, [{ name: 'dot.png', mimeType: 'image/png', buffer: bytes }], 'Members')
  await page.getByRole('link', { name: 'dot.png' }).click()
  await expect(page.getByRole('img', { name: 'dot.png' })).toHaveJSProperty('naturalWidth', 60)
  const saving = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Download' }).click()
  expect(Buffer.compare(readFileSync(await (await saving).path()), bytes)).toBe(0)
})
