import { axeFinds, expect, signIn, test, upload } from '../src/test.js'

test.use({ settings: '[quota]\nblock_bytes = 2_000_000\n' })

test('a quota that is used up is said, and nothing else stops for it', async ({ page, expected }) => {
  expected.errors.push(/507/)
  await signIn(page)
  await page.getByRole('link', { name: 'Content', exact: true }).click()
  await upload(page, 'first.bin', Buffer.alloc(1_500_000, 1))
  await expect(page.getByText('Up to date')).toBeVisible()
  await expect(page.getByRole('link', { name: 'first.bin' })).toBeVisible()
  await upload(page, 'second.bin', Buffer.alloc(1_400_000, 2))
  const uploads = page.getByRole('region', { name: 'Uploads' })
  await expect(uploads.getByRole('alert')).toContainText('no room left at the node')
  expect(await axeFinds(page)).toEqual([])

  await expect(page.getByRole('link', { name: 'second.bin' })).toHaveCount(0)

  // What fits goes on fitting.
  await upload(page, 'third.bin', Buffer.alloc(200_000, 3))
  await expect(page.getByRole('link', { name: 'third.bin' })).toBeVisible()
  await expect(uploads.getByText('200 kB', { exact: true })).toBeVisible()
})
