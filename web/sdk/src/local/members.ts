/**
 * Cores of several people: made, joined, left; roles given and taken back. What gives or takes away rights is signed by the
 * wallet itself, which shows it in words.
 *
 * @module
 */

import { parseAbility } from '../core/ability.js'
import { type Account, parseAccount } from '../core/account.js'
import { blockOf } from '../core/bytes.js'
import { decodeGenesis } from '../core/genesis.js'
import { type CoreId, linkOf, type OpId, parseId } from '../core/ids.js'
import { KubeltError } from '../errors.js'
import type { Signer } from '../session/signer.js'
import { Core } from './core.js'

/** A shared core that somebody wants. */
export interface NewCore {
  /** Under which name the maker's private core knows it: 1 to 64 letters, digits, `-` or `_`. */
  readonly name: string
  /** What its makers call it; the name when absent. */
  readonly title?: string
  /** Who else owns it. */
  readonly owners?: readonly string[]
  /** How many of the owners must agree; one when absent. */
  readonly threshold?: number
}

/**
 * Makes a shared core inside a private one. Where one owner is enough, the wallet is asked for its first signature.
 * Sign in again with `cores: [{ core }]` to write in it.
 *
 * @param own the maker's private core
 * @throws SignatureRejectedError, NetworkError, ProblemError.
 */
export async function createCore(own: Core, signer: Signer, wanted: NewCore): Promise<CoreId> {
  const { name, title, owners, threshold } = wanted
  const made = await own.session.client.call('post', '/@{core}/-/cores', {
    path: { core: own.id },
    body: { name, ...(title && { title }), ...(owners && { owners: [...owners] }), ...(threshold && { threshold }) },
  })
  const core = parseId<CoreId>(made.core)
  await nameCore(own, name, core)
  await own.sync()
  if ((threshold ?? 1) === 1) {
    const shared = await Core.begin(own.session, decodeGenesis(blockOf(made.genesis)))
    await shared.sign(signer, { verb: 'seal' })
    await shared.send()
  }
  return core
}

/** Names a core in a private core: what accepting an invite is. It changes nothing in the core that is named. */
export function nameCore(own: Core, name: string, core: CoreId): Promise<OpId> {
  return own.put(`cores/${name}`, { core: linkOf(core) })
}

/**
 * Gives somebody a part in a core: a ready-made role by its name, or abilities such as `put content/**`.
 *
 * @throws SignatureRejectedError, NotAllowedError, NetworkError for a role's abilities.
 */
export async function grantRole(
  core: Core,
  signer: Signer,
  to: string,
  role: string,
  can?: readonly string[],
): Promise<OpId> {
  const abilities = can ?? (await abilitiesOf(core, role))
  return core.sign(signer, { verb: 'grant', to: parseAccount(to), as: role, can: abilities.map(parseAbility) })
}

/**
 * Takes back all that an account was granted alone. The wallet is asked once for each grant.
 *
 * @throws SignatureRejectedError, NotAllowedError; KubeltError where the account has no grant.
 */
export async function removeMember(core: Core, signer: Signer, account: string): Promise<OpId[]> {
  const grants = core.grants.filter(({ to }) => to === (parseAccount(account) as Account))
  if (grants.length === 0)
    throw new KubeltError(`${account} has no grant of its own here, so there is nothing to take back.`)
  const revoked: OpId[] = []
  for (const { id } of grants) revoked.push(await core.sign(signer, { verb: 'revoke', grant: id }))
  return revoked
}

async function abilitiesOf(core: Core, role: string): Promise<readonly string[]> {
  const { roles } = await core.session.client.call('get', '/-/roles')
  const found = roles.find(({ name }) => name === role)
  if (found) return found.can
  throw new KubeltError(
    `There is no ready-made role \`${role}\`. Choose one of ${roles.map(({ name }) => name).join(', ')}, or say what it may do.`,
  )
}
