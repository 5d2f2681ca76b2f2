import { join } from 'node:path'
import { startNode } from '../../../conformance/node.mjs'
import { axeFinds, expect, signIn, test } from '../src/test.js'

const LISTENS = "[network]\nlisten = ['/ip4/127.0.0.1/tcp/0']\nallow_local = true\n"

test.use({ settings: LISTENS })

test('peers stand on the map and in the table beside it', async ({ page, node }) => {
  const others = await Promise.all(
    [1, 2].map(() => startNode({ person: false, settings: `${LISTENS}bootstrap = ['${node.peers[0]}']\n` })),
  )
  try {
    await signIn(page)
    await page.goto('node')
    for (const { peers } of others) {
      const id = peers[0]?.split('/p2p/')[1] as string
      await expect(page.getByRole('table').filter({ hasText: id.slice(-4) })).toBeVisible({ timeout: 30_000 })
    }
    expect(await axeFinds(page)).toEqual([])
    const pictures = process.env['KUBELT_SCREENSHOTS']
    if (pictures) await page.screenshot({ path: join(pictures, 'peers.png'), fullPage: true })
  } finally {
    for (const other of others) await other.stop()
  }
})
