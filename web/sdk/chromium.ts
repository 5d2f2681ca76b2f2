import { spawnSync } from 'node:child_process'
import { findChromium } from '../../conformance/passkeys/browser.mjs'

/** The path of this machine's Chromium; `undefined` where there is none. No browser is ever downloaded. */
export const chromiumPath: string | undefined = pathOf(findChromium())

function pathOf(name: string | undefined): string | undefined {
  if (name === undefined) return undefined
  return spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim() || undefined
}
