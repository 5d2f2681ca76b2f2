import type { Page } from '@playwright/test'
import { coreOf } from '../src/content.js'
import { openAs, person } from '../src/team.js'
import { expect, signForCore, signIn, test } from '../src/test.js'
import { choose, text } from '../src/upload.js'
import { TestWallet } from '../src/wallet.js'

// Where somebody asks for what they may not see, the browser says that the node refused.
test.use({ expected: { errors: [/Failed to load resource|ERR_INTERNET_DISCONNECTED/] } })

/** How long changes may take from one browser to another. */
const SOON = { timeout: 30_000 }

/** Makes a shared core by hand, and gives its id. */
async function makeCore(page: Page, title: string, others: readonly TestWallet[] = [], threshold = 1): Promise<string> {
  await page.getByRole('button', { name: 'New shared core' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Title').fill(title)
  if (others.length > 0) {
    await dialog.getByLabel('Other owners').fill(others.map(({ account }) => account.address).join('\n'))
    await dialog.getByLabel('How many owners must agree').fill(String(threshold))
  }
  await dialog.getByRole('button', { name: 'Make it' }).click()
  await expect(page.getByRole('heading', { name: 'Content', level: 1 })).toBeVisible(SOON)
  return /@(bafy[a-z2-7]+)/.exec(page.url())?.[1] ?? ''
}

test('two people in two browsers share a core, until one is removed', async ({ page, visit }) => {
  test.setTimeout(180_000)
  const bobs = new TestWallet()
  const bob = await visit(bobs)
  await signIn(page)
  await signIn(bob)
  await makeCore(page, 'Acme Corp')

  await page.getByRole('link', { name: 'Members' }).click()
  await page.getByRole('button', { name: 'Invite' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Who').fill(bobs.account.address)
  await dialog.getByLabel('Part').selectOption('designer')
  await dialog.getByRole('button', { name: 'Continue' }).click()
  await dialog.getByRole('button', { name: 'Sign and invite' }).click()
  await dialog.getByRole('button', { name: 'Done' }).click()

  await bob.reload()
  const before = bobs.signatures
  await bob.getByRole('region', { name: 'Invite to Acme Corp' }).getByRole('button', { name: 'Join' }).click()
  await expect(bob.getByRole('heading', { name: 'Content', level: 1 })).toBeVisible(SOON)
  expect(bobs.signatures - before, 'to join takes one signature').toBe(1)

  // What one uploads comes to the other, who does nothing for it.
  await page.getByRole('link', { name: 'Content', exact: true }).click()
  await choose(bob, [text('from-bob.txt', 'hello Ann')], 'Members')
  await page.getByRole('link', { name: 'from-bob.txt' }).click(SOON)
  await expect(page.getByLabel('The text of from-bob.txt')).toContainText('hello Ann')
  await page.getByRole('link', { name: 'Content', exact: true }).click()
  await choose(page, [text('from-ann.txt', 'hello Bob')], 'Members')
  await bob.getByRole('link', { name: 'from-ann.txt' }).click(SOON)
  await expect(bob.getByLabel('The text of from-ann.txt')).toContainText('hello Bob')

  await page.getByRole('link', { name: 'Members' }).click()
  await page.getByRole('button', { name: /^Take back the part of/ }).click()
  await dialog.getByRole('button', { name: 'Take back' }).click()
  await expect(dialog).toHaveCount(0)
  await expect(bob.getByRole('alert')).toContainText('You have no part in this core any more', SOON)
  // What he has is still there for him to see.
  await expect(bob.getByLabel('The text of from-ann.txt')).toContainText('hello Bob')
})

test('what two must agree to is published once the other one has agreed', async ({
  page,
  visit,
  wallet,
  node,
  request,
}) => {
  test.setTimeout(180_000)
  const bobs = new TestWallet()
  const bob = await visit(bobs)
  await signIn(page)
  await signIn(bob)
  const id = await makeCore(page, 'Duo', [bobs], 2)
  const asAnn = await openAs(await person(node.url, wallet.secrets[0]), id as never)
  await asAnn.content.put('news.html', '<h1>We are open</h1>', { visibility: 'public', ask: true })
  await asAnn.sync()
  const status = async () => (await request.get(`${node.url}/@${id}/news.html`)).status()

  await signForCore(bob, id)
  await bob.getByRole('link', { name: /^Requests 1 waiting for you/ }).click(SOON)
  const asked = bob.getByRole('article', { name: /content\/news.html/ })
  await expect(asked).toContainText('visible to everybody')
  await expect(asked).toContainText('1 of 2 agree')
  expect(await status()).toBe(404)
  await asked.getByRole('button', { name: 'Agree' }).click()
  await expect(asked).toContainText('2 of 2 agree')

  // In the other browser it is there to be finished.
  await page.getByRole('link', { name: /^Requests/ }).click()
  await page.getByRole('button', { name: 'Finish it' }).click(SOON)
  await expect.poll(status, SOON).toBe(200)
  await expect(bob.getByRole('article')).toHaveCount(0, SOON)
})

test('what two devices did without a network is all there afterwards', async ({ page, visit, wallet, node }) => {
  test.setTimeout(180_000)
  const phone = await visit(wallet)
  for (const device of [page, phone]) {
    await signIn(device)
    await device.getByRole('link', { name: 'Content', exact: true }).click()
    await expect(device.getByRole('heading', { name: 'Content', level: 1 })).toBeVisible()
    await device.context().setOffline(true)
  }
  await choose(page, [text('laptop.txt', 'on the laptop'), text('both.txt', 'the earlier one')], 'Private')
  await expect(page.getByText('2 changes to send')).toBeVisible(SOON)
  await choose(phone, [text('phone.txt', 'on the phone'), text('both.txt', 'the later one')], 'Private')
  await expect(phone.getByText('2 changes to send')).toBeVisible(SOON)

  for (const device of [phone, page]) await device.context().setOffline(false)
  for (const device of [page, phone]) {
    for (const name of ['laptop.txt', 'phone.txt', 'both.txt'])
      await expect(device.getByRole('link', { name })).toBeVisible(SOON)
    await device.getByRole('link', { name: 'both.txt' }).click()
    await expect(device.getByLabel('The text of both.txt')).toContainText('the later one', SOON)
  }
  const core = await coreOf(node.url, wallet.secrets[0] as string)
  await core.sync()
  expect(await core.content.text('both.txt')).toBe('the later one')
  expect(core.history('content/both.txt')).toHaveLength(2)
})

test('a session that was ended elsewhere is said, and what was written meanwhile is sent by the next', async ({
  page,
  wallet,
  node,
}) => {
  await signIn(page)
  await page.getByRole('link', { name: 'Content', exact: true }).click()
  await expect(page.getByRole('heading', { name: 'Content', level: 1 })).toBeVisible()
  await page.context().setOffline(true)
  await choose(page, [text('meanwhile.txt', 'written meanwhile')], 'Private')
  await expect(page.getByText('1 change to send')).toBeVisible(SOON)

  const { signer, own } = await person(node.url, wallet.secrets[0])
  const { sessions } = await own.session.client.call('get', '/-/session')
  for (const { id } of sessions)
    if (id !== own.session.id) await own.sign(signer, { verb: 'logout', login: id as typeof own.session.id })
  await own.sync()
  await page.context().setOffline(false)

  const over = page.getByRole('region', { name: 'Your session is over' })
  await expect(over).toContainText('1 change of yours will be sent', SOON)
  await over.getByRole('button', { name: 'Sign in again' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Test wallet' }).click()
  await expect(page.getByText('Up to date')).toBeVisible(SOON)
  const core = await coreOf(node.url, wallet.secrets[0] as string)
  await core.sync()
  expect(await core.content.text('meanwhile.txt')).toBe('written meanwhile')
})

test.describe('a wallet of two accounts', () => {
  // biome-ignore lint/correctness/noEmptyPattern: the runner asks for it
  test.use({ wallet: ({}, use) => use(new TestWallet(2)) })

  test('that was switched signs for nobody else, and what was typed is kept', async ({ page, wallet }) => {
    await signIn(page)
    await page.getByRole('button', { name: 'New shared core' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Title').fill('Acme Corp')
    const before = wallet.signatures
    wallet.at = 1
    await dialog.getByRole('button', { name: 'Make it' }).click()
    await expect(dialog.getByRole('alert')).toContainText('Your wallet is at another account')
    expect(wallet.signatures).toBe(before)

    wallet.at = 0
    wallet.rejects = true
    await dialog.getByRole('button', { name: 'Make it' }).click()
    await expect(dialog.getByRole('alert')).toContainText('Nothing was signed')
    wallet.rejects = false
    await expect(dialog.getByLabel('Title')).toHaveValue('Acme Corp')
    await dialog.getByRole('button', { name: 'Make it' }).click()
    await expect(page.getByRole('heading', { name: 'Content', level: 1 })).toBeVisible(SOON)
  })
})
