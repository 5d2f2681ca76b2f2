import { expect, signIn, test } from '../src/test.js'

test('the wallet is asked once, and a reload asks for nothing', async ({ page, wallet }) => {
  await signIn(page)
  expect(wallet.signatures).toBe(1)
  await page.reload()
  await expect(page.getByRole('heading', { name: 'Your cores' })).toBeVisible()
  expect(wallet.signatures).toBe(1)
})

test('a declined signature is said, and nothing is lost by it', async ({ page, wallet }) => {
  wallet.rejects = true
  await page.goto('./')
  await page.getByRole('button', { name: 'Test wallet' }).click()
  await expect(page.getByRole('alert')).toContainText('You declined the signature')
  wallet.rejects = false
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByRole('heading', { name: 'Your cores' })).toBeVisible()
})
