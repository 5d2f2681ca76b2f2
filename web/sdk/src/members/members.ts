/**
 * Who has which part in a core. What gives or takes away rights is signed by the account itself, whose wallet shows it in
 * words; where several must agree, the others are asked. All of it is read from the log on this device.
 *
 * @module
 */

import type { Schemas } from '../api/client.js'
import { abilityText, parseAbility } from '../core/ability.js'
import { type Account, accountsOf, type Principal, parseAccount, thresholdOf } from '../core/account.js'
import { compareText } from '../core/bytes.js'
import { msOf } from '../core/hlc.js'
import type { OpId } from '../core/ids.js'
import { abilityWords } from '../core/words.js'
import { KubeltError } from '../errors.js'
import type { Core } from '../local/core.js'
import type { Session } from '../session/session.js'
import type { Signer } from '../session/signer.js'
import type { Outcome } from './place.js'
import { type AskOptions, signOrAsk } from './requests.js'

/** A grant in force. */
export interface Member {
  /** The grant. */
  readonly grant: OpId
  /** Who holds it. */
  readonly to: Principal
  /** The name of the role; absent for one without a name. */
  readonly role?: string
  /** What it allows, such as `put content/**`. */
  readonly can: readonly string[]
  /** The same in plain words. */
  readonly may: readonly string[]
  /** Who gave it. */
  readonly by: Account
  readonly since: Date
  /** Whether any of its holders has done anything in the core. */
  readonly acted: boolean
}

/** The people of a core. */
export interface Members {
  /** Who may everything. */
  readonly root: Principal
  /** Whether anything counts yet: a shared core is dead until its root has signed a first operation. */
  readonly begun: boolean
  /** Every grant in force, the oldest first. */
  readonly members: readonly Member[]
}

/** A part that somebody is to be given: a ready-made role by its name, or abilities under a name of your own. */
export interface Part {
  /** Who: one account, or several who hold it together. */
  readonly to: string | readonly string[]
  /** How many of several must agree; one when absent. */
  readonly threshold?: number
  readonly role?: string
  /** What it allows, such as `put content/press/**`; that of the ready-made role when absent. */
  readonly can?: readonly string[]
}

/** Who has which part, as it is known here. */
export function membersOf(core: Core): Members {
  const { log } = core
  const active = new Set(log.graph.nodes.filter(({ effective }) => effective).map(({ header }) => header.by))
  const members = log.grants().map(({ id, by, to, role, can }): Member => {
    const at = log.graph.find(id)?.header.at ?? 0n
    return {
      grant: id,
      to,
      ...(role !== undefined && { role }),
      can: can.map(abilityText),
      may: can.map(abilityWords),
      by,
      since: new Date(msOf(at)),
      acted: accountsOf(to).some((account) => active.has(account)),
    }
  })
  members.sort((a, b) => a.since.getTime() - b.since.getTime())
  return { root: log.root(), begun: active.size > 0, members }
}

/**
 * The ready-made roles, the mightiest first.
 *
 * @throws NetworkError
 */
export async function listRoles(session: Session): Promise<Schemas['RoleView'][]> {
  return (await session.client.call('get', '/-/roles')).roles
}

/**
 * Gives somebody a part in a core. To one account this is an invite: see `listInvites`.
 *
 * @throws SignatureRejectedError, NotAllowedError; KubeltError `no-role`; NetworkError for a role's abilities.
 */
export async function grantRole(core: Core, signer: Signer, part: Part, options: AskOptions = {}): Promise<Outcome> {
  const { role, can = await abilitiesOf(core.session, role) } = part
  const to = principalOf(typeof part.to === 'string' ? [part.to] : part.to, part.threshold)
  const act = { verb: 'grant', to, ...(role !== undefined && { as: role }), can: can.map(parseAbility) } as const
  return signOrAsk(core, signer, act, options)
}

/**
 * Takes back all that an account was granted alone. The wallet is asked once for each grant.
 *
 * @throws SignatureRejectedError, NotAllowedError; KubeltError `no-grant` where the account has none.
 */
export async function removeMember(core: Core, signer: Signer, account: string): Promise<Outcome[]> {
  const member = parseAccount(account)
  const grants = core.grants.filter(({ to }) => to === member)
  if (grants.length === 0)
    throw new KubeltError('no-grant', `${account} has no grant of its own here, so there is nothing to take back.`)
  const outcomes: Outcome[] = []
  for (const { id } of grants) outcomes.push(await revokeGrant(core, signer, id))
  return outcomes
}

/** Takes back one grant, and all that hangs on it. */
export function revokeGrant(core: Core, signer: Signer, grant: OpId, options: AskOptions = {}): Promise<Outcome> {
  return signOrAsk(core, signer, { verb: 'revoke', grant }, options)
}

/**
 * Gives up one's own part.
 *
 * @throws as {@link removeMember}.
 */
export function resign(core: Core, signer: Signer): Promise<Outcome[]> {
  return removeMember(core, signer, signer.account)
}

/**
 * Hands a shared core over: from now on it is owned by these accounts, and by nobody else.
 *
 * @param threshold how many of them must agree
 * @throws NotAllowedError to others than its root; SignatureRejectedError.
 */
export async function handOver(
  core: Core,
  signer: Signer,
  owners: readonly string[],
  threshold = 1,
  options: AskOptions = {},
): Promise<Outcome> {
  return signOrAsk(core, signer, { verb: 'rotate', root: principalOf(owners, threshold) }, options)
}

/**
 * One account, or `threshold` of several.
 *
 * @throws KubeltError `bad-threshold` where so many cannot agree.
 */
export function principalOf(accounts: readonly string[], threshold = 1): Principal {
  const of = [...new Set(accounts.map(parseAccount))].sort(compareText)
  if (!(Number.isInteger(threshold) && threshold >= 1 && threshold <= of.length))
    throw new KubeltError(
      'bad-threshold',
      `${threshold} of ${of.length} accounts cannot agree.`,
      'Name more accounts, or a smaller threshold.',
    )
  const [one] = of
  return one !== undefined && of.length === 1 ? one : { m: threshold, of }
}

/** A principal in words: `0x…`, or `2 of 0x…, 0x…`. */
export function principalText(principal: Principal): string {
  return typeof principal === 'string' ? principal : `${thresholdOf(principal)} of ${principal.of.join(', ')}`
}

async function abilitiesOf(session: Session, role: string | undefined): Promise<readonly string[]> {
  const roles = await listRoles(session)
  const found = roles.find(({ name }) => name === role)
  if (found) return found.can
  throw new KubeltError(
    'no-role',
    role === undefined ? 'The part has neither a role nor abilities.' : `There is no ready-made role \`${role}\`.`,
    `Choose one of ${roles.map(({ name }) => name).join(', ')}, or say what it may do.`,
  )
}
