// People of an example who use the command line: each has a directory, a wallet and a session of their own.

import { join } from 'node:path'

/**
 * Makes somebody with a wallet, and signs them in.
 *
 * @returns `account` (`0x…`), `run(args, options)` and `json(args, options)` as `conformance/node.mjs` has them
 */
export async function person (node, name) {
  const home = ['--config-dir', join(node.dir, name)]
  const run = async (args, options) => String(await node.run([...home, ...args], options))
  const json = (args, options) => node.json([...home, ...args], options)
  await run(['wallet', 'new', 'main'])
  const { account } = await json(['login', '--wallet', 'main'])
  return { account, run, json }
}

/** In the directory of the node, where commands run: the passphrase of every wallet. */
export const PASSPHRASE = { KUBELT_PASSPHRASE_FILE: 'passphrase' }
