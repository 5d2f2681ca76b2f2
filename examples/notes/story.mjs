// What the page promises, in a real browser: two devices of one person, with and without a network.

import { deepStrictEqual, strictEqual } from 'node:assert'
import { createRequire } from 'node:module'
import { say } from '../start.mjs'

const require = createRequire(new URL('../../web/e2e/package.json', import.meta.url))
const { chromium, expect: expectSoon } = require('@playwright/test')
const axe = require('axe-core')
const expect = expectSoon.configure({ timeout: 30_000 })

/** Tells the story with the browser at `executablePath`. */
export async function story (url, executablePath) {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
  try {
    const [laptop, phone] = [await device(browser, url), await device(browser, url)]
    await together(laptop, phone)
    await apart(laptop, phone)
    await fitToBeSeen(laptop)
  } finally {
    await browser.close()
  }
}

async function together (laptop, phone) {
  say('A notebook is opened on a laptop with a new key, and on a phone with the same.')
  await laptop.page.getByRole('button', { name: 'Make a new key' }).click()
  const key = await laptop.page.getByLabel('Key of your notebook').inputValue()
  await laptop.page.getByRole('button', { name: 'Open', exact: true }).click()
  await phone.page.getByLabel('Key of your notebook').fill(key)
  await phone.page.getByRole('button', { name: 'Open', exact: true }).click()

  await laptop.page.getByRole('button', { name: 'New note' }).click()
  await laptop.note(0).title.fill('Groceries')
  await laptop.note(0).text.fill('Bread')
  await expect(phone.note(0).title).toHaveValue('Groceries')
  await expect(phone.note(0).text).toHaveValue('Bread')
  say('  What is written on one is seen on the other.')
}

async function apart (laptop, phone) {
  say('Both are without a network, and go on.')
  await expect(laptop.standing).toHaveText('All of it is at the node.')
  await laptop.context.setOffline(true)
  await phone.context.setOffline(true)
  await laptop.note(0).text.fill('Bread, cheese')
  await phone.note(0).title.fill('Saturday')
  await phone.page.getByRole('button', { name: 'New note' }).click()
  await expect(phone.page.getByRole('article')).toHaveCount(2)
  await phone.note(0).title.fill('From the phone')
  await expect(phone.standing).toContainText('3 not sent yet')
  await expect(laptop.standing).toContainText('1 not sent yet')

  await phone.page.reload()
  await expect(phone.note(0).title).toHaveValue('From the phone')
  await expect(phone.note(1).title).toHaveValue('Saturday')
  say('  The page opens again, with all that was written.')

  await laptop.context.setOffline(false)
  await phone.context.setOffline(false)
  for (const { note, standing } of [laptop, phone]) {
    await expect(note(0).title).toHaveValue('From the phone')
    await expect(note(1).title).toHaveValue('Saturday')
    await expect(note(1).text).toHaveValue('Bread, cheese')
    await expect(standing).toHaveText('All of it is at the node.')
  }
  say('  With the network back, both have what either wrote.')
  await laptop.note(0).remove.click()
  await expect(phone.page.getByRole('article')).toHaveCount(1)
}

async function fitToBeSeen ({ page, errors }) {
  await page.evaluate(axe.source)
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    const { violations } = await page.evaluate(() => globalThis.axe.run())
    deepStrictEqual(violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)]), [])
  }
  strictEqual(errors.join('\n'), '')
  say('axe finds nothing wrong with it, light or dark.')
}

/** A browser of its own at the page. */
async function device (browser, url) {
  const context = await browser.newContext()
  const page = await context.newPage()
  const errors = []
  page.on('pageerror', error => errors.push(String(error)))
  await page.goto(url)
  // From then on the page opens without a network, too.
  await page.evaluate(() => navigator.serviceWorker.ready)
  await page.reload()
  const note = at => {
    const article = page.getByRole('article').nth(at)
    return { title: article.getByLabel('Title'), text: article.getByLabel('Text'), remove: article.getByRole('button') }
  }
  return { context, page, errors, note, standing: page.getByRole('status') }
}
