import { join } from 'node:path'
import type { Page } from '@playwright/test'
import { publishSome } from '../src/content.js'
import { makeTeam } from '../src/team.js'
import { axeFinds, expect, LOOKS, signForCore, signIn, test } from '../src/test.js'

/** Every page of the console by its address, and a heading by which it is known to be there. */
const PAGES: readonly (readonly [address: string, heading: string])[] = [
  ['', 'Your cores'],
  ['@me/content', 'Content'],
  ['@me/content/photos/2026', '2026'],
  ['@me/content/photos/2026/coast.png', 'coast.png'],
  ['@me/content/data/measurements.json', 'measurements.json'],
  ['@me/content/notes/first.md', 'first.md'],
  ['@me/content/site', 'site'],
  ['@me/content/site/index.html', 'index.html'],
  ['@me/content/nothing/here', 'here'],
  ['@me/members', 'Members'],
  ['@me/requests', 'Requests'],
  ['@me/gates', 'Gates'],
  ['@me/sealed', 'Sealed'],
  ['@me/names', 'Host names'],
  ['@me/activity', 'Activity'],
  ['@me/inside', 'Inside'],
  ['@me/settings', 'Settings'],
  ['account', 'Account'],
  ['node', 'Node'],
  ['no-such-page', 'Nothing is here'],
]

/** Every page of a shared core. */
const SHARED_PAGES: readonly (readonly [page: string, heading: string])[] = [
  ['members', 'Members'],
  ['requests', 'Requests'],
  ['gates', 'Gates'],
  ['sealed', 'Sealed'],
  ['names', 'Host names'],
  ['activity', 'Activity'],
  ['inside', 'Inside'],
  ['settings', 'Settings'],
]

/** Where pictures of every page go, to be looked at. */
const PICTURES = process.env['KUBELT_SCREENSHOTS']

async function look(page: Page, name: string): Promise<void> {
  for (const { width, height, colours } of LOOKS) {
    await page.setViewportSize({ width, height })
    await page.emulateMedia({ colorScheme: colours, reducedMotion: 'reduce' })
    await drawn(page)
    expect(await axeFinds(page), `${name} at ${width} in ${colours}`).toEqual([])
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    expect(overflow, `${name} at ${width} is wider than the screen`).toBeLessThanOrEqual(0)
    if (PICTURES) {
      const file = `${name.replace(/[^a-z0-9.]+/gi, '-')}-${width}-${colours}.png`
      await page.screenshot({ path: join(PICTURES, file), fullPage: true })
    }
  }
}

/** Until the page was drawn with what was changed. */
function drawn(page: Page): Promise<void> {
  return page.evaluate(async () => {
    for (let frames = 0; frames < 2; frames++) await new Promise(requestAnimationFrame)
    await Promise.allSettled(document.getAnimations().map(({ finished }) => finished))
  })
}

test('the first page is fit to be seen', async ({ page }) => {
  await page.goto('./')
  await expect(page.getByRole('button', { name: 'Test wallet' })).toBeVisible()
  await look(page, 'welcome')
})

test('every page is fit to be seen, and reports no error', async ({ page, wallet, node }) => {
  test.setTimeout(240_000)
  await publishSome(node.url, wallet.secrets[0] as string)
  await signIn(page)
  for (const [address, heading] of PAGES) {
    await page.goto(address)
    await expect(page.getByRole('heading', { name: heading, exact: true, level: 1 })).toBeVisible()
    await expect(page.getByRole('progressbar')).toHaveCount(0)
    await look(page, address || 'cores')
  }
})

test('every page of a shared core is fit to be seen', async ({ page, wallet, node }) => {
  test.setTimeout(240_000)
  const { id } = await makeTeam(node.url, wallet.secrets[0] as string)
  await signIn(page)
  await signForCore(page, id)
  for (const [name, heading] of SHARED_PAGES) {
    await page.goto(`@${id}/${name}`)
    await expect(page.getByRole('heading', { name: heading, exact: true, level: 1 })).toBeVisible()
    await expect(page.getByRole('progressbar')).toHaveCount(0)
    await look(page, `shared-${name}`)
  }
})
