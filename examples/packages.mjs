// Packages that examples need, so that each runs with one command on a clean machine.

import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const WEB = new URL('../web', import.meta.url)

/** Installs what the lock file of a folder (a `file:` URL) names, unless that was done since it last changed. */
export function installed (url) {
  const folder = fileURLToPath(url)
  const modified = file => statSync(join(folder, file), { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (modified('node_modules/.package-lock.json') >= modified('package-lock.json')) return
  npm(folder, 'ci', '--no-audit', '--no-fund', '--ignore-scripts')
}

/** `@kubelt/sdk` of this checkout, built. In a project of your own it is `import { … } from '@kubelt/sdk'`. */
export async function sdk () {
  installed(WEB)
  npm(fileURLToPath(WEB), 'run', '--silent', 'build', '--workspace', '@kubelt/sdk')
  return import('../web/sdk/dist/index.js')
}

function npm (folder, ...args) {
  execFileSync('npm', args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
}
