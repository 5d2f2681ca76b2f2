import { expect, type Page } from '@playwright/test'
import { axeFinds } from './test.js'

/** A file as somebody would choose it. */
export interface Given {
  readonly name: string
  readonly mimeType: string
  readonly buffer: Buffer
}

export const text = (name: string, content: string): Given => ({
  name,
  mimeType: 'text/plain',
  buffer: Buffer.from(content),
})

/** Uploads files on the page of a core's content. */
export async function choose(page: Page, files: readonly Given[], readers: string): Promise<void> {
  await page.getByLabel('Files to upload').setInputFiles([...files])
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('radio', { name: readers }).check()
  expect(await axeFinds(page)).toEqual([])
  await dialog.getByRole('button', { name: /Upload|Replace/ }).click()
}
