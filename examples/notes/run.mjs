// A notebook on the SDK. Without arguments its story is told in a browser that nobody sees; `--stay` opens it for you.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { findChromium } from '../../conformance/passkeys/browser.mjs'
import { installed } from '../packages.mjs'
import { say, startNode } from '../start.mjs'

installed(new URL('../../web', import.meta.url))
const { servePage } = await import('./serve.mjs')

const stay = process.argv.includes('--stay')
const chromium = findChromium()
if (stay || chromium) await example()
else say('SKIPPED the notes in a real browser: there is no `chromium` on this machine\n0 passed, 0 failed, 1 skipped')

async function example () {
  const node = await startNode({ person: false })
  const page = await servePage(node, join(node.dir, 'page'))
  try {
    if (stay) {
      say(`Open ${page.url} in two browsers. Ctrl-C ends it.`)
      await new Promise(done => process.once('SIGINT', done))
    } else {
      const { story } = await import('./story.mjs')
      const path = spawnSync('sh', ['-c', `command -v ${chromium}`], { encoding: 'utf8' }).stdout.trim()
      await story(page.url, path)
      say('All of it is so.')
    }
  } finally {
    await page.stop()
    await node.stop()
  }
}
