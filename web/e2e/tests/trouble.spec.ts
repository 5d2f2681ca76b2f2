import { createCore, grantRole, membersOf, removeMember } from '../../sdk/src/index.js'
import { coreOf } from '../src/content.js'
import { openAs, person } from '../src/team.js'
import { axeFinds, expect, signIn, test, upload } from '../src/test.js'

test('a wallet that was switched is asked for nothing until it is switched back', async ({ page, wallet }) => {
  await signIn(page)
  wallet.at = 1
  await page.getByRole('button', { name: 'New shared core' }).click()
  await page.getByLabel('Title').fill('Acme')
  await page.getByRole('button', { name: 'Make it' }).click()
  const dialog = page.getByRole('dialog')
  await expect(dialog.getByRole('alert')).toContainText('Your wallet is at another account')
  await expect(dialog.getByRole('alert')).toContainText('Switch back')
  expect(await axeFinds(page)).toEqual([])
  expect(wallet.signatures).toBe(1)
  wallet.at = 0
  await page.getByRole('button', { name: 'Make it' }).click()
  // The first operation of the core, and a session that covers it.
  await expect(page.getByRole('heading', { name: 'Content', level: 1 })).toBeVisible()
  expect(wallet.signatures).toBe(3)
  await expect(page.getByLabel('Core', { exact: true })).toContainText('Acme')
})

test('a session that is ended elsewhere keeps what is written, and the next one sends it', async ({
  page,
  wallet,
  node,
  expected,
}) => {
  expected.errors.push(/401/)
  await signIn(page)
  await page.getByRole('link', { name: 'Content', exact: true }).click()
  await upload(page, 'before.txt', 'before')
  await expect(page.getByRole('link', { name: 'before.txt' })).toBeVisible()
  await expect(page.getByText('Up to date')).toBeVisible()

  const elsewhere = await coreOf(node.url, wallet.secrets[0] as string)
  const { sessions } = await elsewhere.session.client.call('get', '/-/session')
  const other = sessions.find(({ current }) => !current)
  await elsewhere.sync()
  await elsewhere.act({ verb: 'logout', login: other?.id as never })
  await elsewhere.sync()

  await expect(page.getByText('Your session is over.')).toBeVisible({ timeout: 30_000 })
  await expect(page.getByRole('link', { name: 'before.txt' }), 'what is here stays to be read').toBeVisible()
  expect(await axeFinds(page)).toEqual([])
  await upload(page, 'after.txt', 'after')
  const uploads = page.getByRole('region', { name: 'Uploads' })
  await expect(uploads.getByRole('alert')).toContainText('Your session has ended')
  await uploads.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Test wallet' }).click()
  await expect(page.getByText('Your session is over.')).toHaveCount(0)
  await expect
    .poll(async () => (await elsewhere.sync()) && elsewhere.content.at('after.txt')?.size, { timeout: 30_000 })
    .toBe(5)
})

test('who was removed from a core is told so', async ({ page, wallet, node, expected }) => {
  expected.errors.push(/404/)
  const ann = await person(node.url)
  const { id } = await createCore(ann.own, ann.signer, { name: 'acme', title: 'Acme' })
  const core = await openAs(ann, id)
  await grantRole(core, ann.signer, { to: wallet.account.address, role: 'developer' })
  await core.sync()

  await signIn(page)
  await page.getByRole('button', { name: 'Join' }).click()
  await expect(page.getByRole('heading', { name: 'Content', level: 1 })).toBeVisible()
  await core.sync()
  expect(membersOf(core).members).toHaveLength(1)
  await removeMember(core, ann.signer, wallet.account.address)
  await core.sync()
  await expect(page.getByRole('alert')).toContainText('You have no part in this core any more', { timeout: 30_000 })
  await expect(page.getByRole('alert')).toContainText('invite you again')
  expect(await axeFinds(page)).toEqual([])
})

test('a session is ended from another one, and signing out leads back to the first page', async ({
  page,
  wallet,
  node,
  expected,
}) => {
  expected.errors.push(/401/)
  const program = await coreOf(node.url, wallet.secrets[0] as string)
  await program.sync()
  await signIn(page)
  await page.getByRole('link', { name: 'Account' }).click()
  await page.getByRole('button', { name: /^End the session/ }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'End it everywhere' }).click()
  await expect(page.getByRole('button', { name: /^End the session/ })).toHaveCount(0)
  await expect(program.sync()).rejects.toThrow('Your session has ended')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click()
  await expect(page.getByRole('heading', { name: 'Welcome back' })).toBeVisible()
})
