import { listCores, SessionExpiredError } from '../../sdk/src/index.js'
import { coreOf } from '../src/content.js'
import { expect, signIn, test } from '../src/test.js'

test('the session of another device is ended by the wallet', async ({ page, wallet, node }) => {
  const lost = await coreOf(node.url, wallet.secrets[0] as string)
  await signIn(page)
  await page.getByRole('link', { name: 'Account' }).click()
  await page.getByRole('button', { name: /^End the session/ }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'End it everywhere' }).click()
  await expect(page.getByRole('button', { name: /^End the session/ })).toHaveCount(0)
  await lost.put('profile/name', 'Mallory')
  await expect(lost.sync()).rejects.toThrow(SessionExpiredError)
})

test('a core is made inside of the private core, and opened', async ({ page, wallet, node }) => {
  await signIn(page)
  await page.goto('@me/inside')
  await page.getByRole('button', { name: 'New core in here' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Title').fill('My blog')
  await dialog.getByRole('button', { name: 'Make it' }).click()
  await expect(page.getByRole('heading', { name: 'Content', level: 1 })).toBeVisible()
  const own = await coreOf(node.url, wallet.secrets[0] as string)
  expect((await listCores(own)).map(({ name, child }) => [name, child])).toEqual([['my-blog', true]])
})
