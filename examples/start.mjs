// Where examples get a node: of the binary that KUBELT_BIN names, or of one that is built here first.

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startNode as start } from '../conformance/node.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** The path of the `kubelt` binary. */
export function binary () {
  if (process.env.KUBELT_BIN) return process.env.KUBELT_BIN
  const cargo = args => execFileSync('cargo', args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 28 })
  cargo(['build', '--locked', '--package', 'kubelt'])
  const { target_directory: target } = JSON.parse(cargo(['metadata', '--no-deps', '--format-version', '1']))
  return join(target, 'debug', 'kubelt')
}

/** Starts a node of its own with somebody signed in; `conformance/node.mjs` says what it gives. */
export async function startNode (options) {
  process.env.KUBELT = binary()
  return start(options)
}

/** Says what happens, as the example goes along. */
export function say (...words) {
  console.log(...words)
}
