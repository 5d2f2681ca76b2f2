import { finishRequest, membersOf, type VoteRequest, voteRequests } from '../../sdk/src/index.js'
import { makeTeam, openAs, person } from '../src/team.js'
import { expect, signForCore, signIn, test } from '../src/test.js'

test('the second signer agrees in the browser, and who asked finishes it', async ({ page, wallet, node }) => {
  const { id, bob } = await makeTeam(node.url, wallet.secrets[0] as string)
  await signIn(page)
  await signForCore(page, id)
  await page.getByRole('link', { name: /^Requests 2 waiting for you/ }).click()

  const before = wallet.signatures
  const publish = page.getByRole('article', { name: /content\/press\/release.md/ })
  await publish.getByRole('button', { name: 'Agree' }).click()
  await expect(page.getByRole('link', { name: /^Requests 1 waiting for you/ })).toBeVisible()
  expect(wallet.signatures, 'on content the session is enough').toBe(before)
  const printer = page.getByRole('article', { name: 'Let our printer in' })
  wallet.rejects = true
  await printer.getByRole('button', { name: 'Agree' }).click()
  await expect(printer.getByRole('alert')).toContainText('You declined the signature')
  wallet.rejects = false
  await printer.getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByRole('heading', { name: 'Waiting for you' })).toHaveCount(0)
  await expect(page.getByText('Up to date')).toBeVisible()

  const asBob = await openAs(bob, id)
  const isReady = (request: VoteRequest) => request.standing === 'ready'
  await expect.poll(async () => (await asBob.sync()) && voteRequests(asBob).filter(isReady).length).toBe(2)
  for (const request of voteRequests(asBob)) await finishRequest(asBob, request, bob.signer)
  await asBob.sync()
  expect(await asBob.content.text('press/release.md')).toBe('# We are open\n')
  expect(membersOf(asBob).members.map(({ role }) => role)).toContain('reader')
})

test('an owner invites by address, and takes the part back', async ({ page, wallet, node }) => {
  const { id, core } = await makeTeam(node.url, wallet.secrets[0] as string)
  const dora = await person(node.url)
  await signIn(page)
  await signForCore(page, id)
  await page.getByRole('link', { name: 'Members' }).click()
  await page.getByRole('button', { name: 'Invite' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Who').fill('nobody')
  await dialog.getByLabel('Part').selectOption('designer')
  await dialog.getByRole('button', { name: 'Continue' }).click()
  await expect(dialog.getByRole('alert')).toContainText('names nobody')
  await dialog.getByLabel('Who').fill(dora.signer.account.toUpperCase().replace('0X', '0x'))
  await dialog.getByRole('button', { name: 'Continue' }).click()
  await expect(dialog.getByText(`Give ${dora.signer.account} the role "designer"`)).toBeVisible()
  await dialog.getByRole('button', { name: 'Sign and invite' }).click()
  await expect(dialog.getByText(/^kubelt:\/\//)).toBeVisible()
  await dialog.getByRole('button', { name: 'Done' }).click()

  await core.sync()
  const isDora = ({ to }: { to: unknown }) => to === dora.signer.account
  expect(membersOf(core).members.find(isDora)?.role).toBe('designer')
  await page.getByRole('button', { name: `Take back the part of ${dora.signer.account}` }).click()
  await dialog.getByRole('button', { name: 'Take back' }).click()
  await expect(dialog).toHaveCount(0)
  await expect.poll(async () => (await core.sync()) && membersOf(core).members.some(isDora)).toBe(false)
})
