import type { Locator } from '@playwright/test'
import { hostsOf } from '../../sdk/src/index.js'
import { coreOf } from '../src/content.js'
import { expect, signIn, test } from '../src/test.js'

const HOST = 'widgets.acme.example'

test('a host name is bound, its record shown, and the name unbound', async ({ page, wallet, node }) => {
  await signIn(page)
  await page.goto('@me/names')
  await page.getByRole('button', { name: 'Bind a name' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Host name').fill('https://widgets.acme.example/')
  await dialog.getByRole('button', { name: 'Bind', exact: true }).click()
  await expect(dialog.getByRole('alert')).toContainText('is no host name')
  await dialog.getByLabel('Host name').fill('Widgets.Acme.Example')
  await dialog.getByRole('button', { name: 'Bind', exact: true }).click()
  await expect(dialog).toHaveCount(0)

  const core = await coreOf(node.url, wallet.secrets[0] as string)
  const card = page.getByRole('region', { name: HOST })
  await expect(copied(card, 'the TXT record’s name')).toHaveText(`_kubelt.${HOST}`)
  await expect(copied(card, 'the TXT record’s value')).toHaveText(`core=${core.id}`)
  await card.getByRole('button', { name: 'Check now' }).click()
  // The node of these tests asks no DNS.
  await expect(card.getByText('The DNS gives no answer', { exact: true })).toBeVisible()
  await expect.poll(async () => (await core.sync()) && hostsOf(core)).toEqual([HOST])

  await card.getByRole('button', { name: `Unbind ${HOST}` }).click()
  await dialog.getByRole('button', { name: 'Unbind' }).click()
  await expect(page.getByRole('heading', { name: 'No host names yet' })).toBeVisible()
  await expect.poll(async () => (await core.sync()) && hostsOf(core)).toEqual([])
})

test('without the node the page says what it does not know', async ({ page, context, expected }) => {
  expected.errors.push(/ERR_INTERNET_DISCONNECTED/)
  await signIn(page)
  await page.goto('@me/names')
  await expect(page.getByRole('heading', { name: 'No host names yet' })).toBeVisible()
  await context.setOffline(true)
  await page.getByRole('button', { name: 'Bind a name' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Host name').fill(HOST)
  await dialog.getByRole('button', { name: 'Bind', exact: true }).click()
  const card = page.getByRole('region', { name: HOST })
  await expect(card.getByText('Not known here')).toBeVisible()
  await expect(page.getByText('Without the node nobody knows')).toBeVisible()
  await context.setOffline(false)
  await expect(copied(card, 'the TXT record’s name')).toHaveText(`_kubelt.${HOST}`)
})

/** What a button copies, as it stands beside it. */
function copied(within: Locator, what: string): Locator {
  const button = within.page().getByRole('button', { name: `Copy ${what}` })
  return within.getByRole('definition').filter({ has: button })
}
