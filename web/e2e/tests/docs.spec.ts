import { startNode } from '../../../conformance/node.mjs'
import { axeFinds, test as base, type ConsoleNode, expect, LOOKS } from '../src/test.js'

/** The docs come out of the node itself. */
const test = base.extend<object, { node: ConsoleNode }>({
  node: [
    // biome-ignore lint/correctness/noEmptyPattern: the runner asks for it
    async ({}, use) => {
      const node = await startNode({ person: false })
      await use({ url: node.url, peers: node.peers })
      await node.stop()
    },
    { scope: 'worker' },
  ],
})

const FIRST = 'docs/start/first-five-minutes'
/** Lists of thousands of entries: axe would look at them for minutes, and finds nothing in the last that is not in the first. */
const LONG = /reference\/(http|json-rpc|sdk\/)/

test('every page opens, and axe finds nothing in it', async ({ page }) => {
  test.setTimeout(300_000)
  await page.goto('docs/')
  const links = page.getByRole('navigation', { name: 'Pages' }).getByRole('link')
  const addresses = await links.evaluateAll((all) => all.map((link) => (link as HTMLAnchorElement).href))
  expect(addresses.length).toBeGreaterThan(30)
  for (const address of addresses) {
    await page.goto(address)
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
    if (!LONG.test(address)) expect(await axeFinds(page), address).toEqual([])
  }
})

for (const { width, height, colours } of LOOKS) {
  test(`a page fits a window of ${width}, ${colours}`, async ({ page }) => {
    await page.setViewportSize({ width, height })
    await page.emulateMedia({ colorScheme: colours })
    for (const address of [FIRST, 'docs/operate/running-a-node', 'docs/reference/limits']) {
      await page.goto(address)
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
      expect(overflow, address).toBeLessThanOrEqual(0)
    }
    await page.goto(FIRST)
    expect(await axeFinds(page)).toEqual([])
  })
}

test('headings are found by keyboard', async ({ page }) => {
  await page.goto(FIRST)
  await page.keyboard.press('/')
  await page.keyboard.type('name an heir')
  await expect(page.getByRole('list', { name: 'Found' }).getByRole('link')).not.toHaveCount(0)
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/#name-an-heir$/)
})

test('on a phone the list of pages opens and closes', async ({ page }) => {
  await page.setViewportSize({ width: 375, height: 740 })
  await page.goto(FIRST)
  const heirs = page.locator('#pages').getByRole('link', { name: 'Heirs', exact: true, includeHidden: true })
  await expect(heirs).toBeHidden()
  await page.getByRole('button', { name: 'Pages' }).click()
  await expect(heirs).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(heirs).toBeHidden()
  await page.getByRole('button', { name: 'Pages' }).click()
  await heirs.click()
  await expect(page.getByRole('heading', { level: 1, name: 'Heirs' })).toBeVisible()
})

test('an address without a page says so', async ({ page, expected }) => {
  expected.errors.push(/404/)
  const answer = await page.goto('docs/none')
  expect(answer?.status()).toBe(404)
  await page.getByRole('link', { name: 'All pages' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Kubelt: the docs' })).toBeVisible()
})
