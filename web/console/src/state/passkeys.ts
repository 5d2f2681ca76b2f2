/** Passkeys that were made in this browser. A passkey does not say who it is before it signs, so their accounts are kept here. */

import { createPasskey } from '@kubelt/sdk'
import { account } from './account.svelte.js'

const TABLE = 'console'
const KEY = 'passkeys'

/** Browsers have passkeys for sites with a name, over https or on this very machine. */
export const canHavePasskeys =
  typeof PublicKeyCredential !== 'undefined' && !/^[\d.]+$|:/.test(location.hostname.replace(/^\[|\]$/g, ''))

/** The accounts of those that were made here, the newest first. */
export async function knownPasskeys(): Promise<string[]> {
  const kept = await account.storage.get(TABLE, KEY)
  return Array.isArray(kept) ? kept.filter((one) => typeof one === 'string') : []
}

/** @throws what `createPasskey` throws */
export async function makePasskey(): Promise<string> {
  const { account: made } = await createPasskey({ name: `Kubelt at ${location.hostname}` })
  await account.storage.write(TABLE, [{ put: KEY, value: [made, ...(await knownPasskeys())] }])
  return made
}
