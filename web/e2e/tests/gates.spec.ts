import { gatesOf } from '../../sdk/src/index.js'
import { coreOf } from '../src/content.js'
import { expect, signIn, test } from '../src/test.js'

test('a gate is made by a form, tried, and removed', async ({ page, wallet, node }) => {
  await signIn(page)
  await page.goto('@me/gates')
  await page.getByRole('button', { name: 'New gate' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill('holders')
  await dialog.getByLabel('Who passes: whoever').selectOption({ label: 'at least one of…' })
  await dialog.getByLabel('Contract').fill('0xbc4ca')
  await dialog.getByRole('button', { name: 'Set it' }).click()
  await expect(dialog.getByRole('alert')).toContainText('40 hex digits')
  await dialog.getByLabel('Contract').fill('0xbc4ca0eda7647a8ab7c2061c2e118a18a936f13d')
  await dialog.getByRole('button', { name: 'Another condition' }).click()
  const second = dialog.getByRole('group', { name: 'Condition 2' })
  await second.getByLabel('Condition 2', { exact: true }).selectOption({ label: 'holds so much of a token (ERC-20)' })
  await second.getByLabel('Contract').fill('0x00000000000000000000000000000000000000aa')
  await second.getByLabel('How much at least').fill('5')
  await dialog.getByRole('button', { name: 'Set it' }).click()
  await expect(dialog).toHaveCount(0)

  const core = await coreOf(node.url, wallet.secrets[0] as string)
  const wanted = {
    any: [
      { erc721: { chain: 1, contract: '0xbc4ca0eda7647a8ab7c2061c2e118a18a936f13d' } },
      { erc20: { chain: 1, contract: '0x00000000000000000000000000000000000000aa', min: '5' } },
    ],
  }
  await expect.poll(async () => (await core.sync()) && gatesOf(core).get('holders')?.if).toEqual(wanted)

  const gate = page.getByRole('region', { name: 'holders' })
  await gate.getByRole('button', { name: 'Try' }).click()
  await expect(gate.getByText('Nobody knows, so it stays shut')).toBeVisible()
  await gate.getByRole('button', { name: 'Remove the gate holders' }).click()
  await dialog.getByRole('button', { name: 'Remove' }).click()
  await expect(page.getByRole('heading', { name: 'No gates yet' })).toBeVisible()
})
