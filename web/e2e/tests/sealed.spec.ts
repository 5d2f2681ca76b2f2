import { expect, signIn, test } from '../src/test.js'

const TEXT = 'Meet at noon, below the clock.'

test('a file is sealed and opened in the page; strangers get ciphertext', async ({ page, wallet, node }) => {
  await signIn(page)
  await page.goto('@me/sealed')
  const dialog = page.getByRole('dialog')
  await page.getByRole('button', { name: 'Make a key for this browser' }).click()
  await dialog.getByRole('button', { name: 'Make it' }).click()
  await expect(page.getByText('This browser', { exact: true })).toBeVisible()

  await page.getByRole('button', { name: 'Seal a file' }).click()
  const file = { name: 'plan.txt', mimeType: 'text/plain', buffer: Buffer.from(TEXT) }
  await dialog.getByLabel('File', { exact: true }).setInputFiles(file)
  await dialog.getByLabel('Who can fetch the ciphertext').selectOption({ label: 'anybody' })
  await dialog.getByRole('button', { name: 'Seal', exact: true }).click()
  await expect(dialog).toHaveCount(0)

  const card = page.getByRole('region', { name: 'sealed/plan.txt', exact: true })
  await card.getByRole('button', { name: 'Open', exact: true }).click()
  await expect(card.getByRole('region', { name: 'What sealed/plan.txt says' })).toHaveText(TEXT)

  const address = `${node.url}/@${wallet.account.address.toLowerCase()}/sealed/plan.txt`
  await expect.poll(async () => (await fetch(address)).status).toBe(200)
  const bytes = Buffer.from(await (await fetch(address)).arrayBuffer())
  expect(bytes.length).toBeGreaterThan(TEXT.length)
  for (const said of [TEXT, 'at noon', 'the clock']) expect(bytes.includes(said)).toBe(false)
})
