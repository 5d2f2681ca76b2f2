/**
 * Invites: a grant to an account, and the link that says where the core is. The link carries no secret.
 *
 * @module
 */

import type { Schemas } from '../api/client.js'
import { type CoreId, type OpId, parseId } from '../core/ids.js'
import { KubeltError, ProblemError } from '../errors.js'
import { Core } from '../local/core.js'
import type { Session } from '../session/session.js'
import type { Signer } from '../session/signer.js'
import { nameCore } from './cores.js'
import type { CoreAt } from './place.js'

/** What a link says. */
export interface InviteLink {
  readonly core: CoreId
  readonly grant?: OpId
  /** Nodes that have the core: `/ip4/…/tcp/…/tls/p2p/12D3…`. */
  readonly from: readonly string[]
}

/** An invite that was accepted. */
export interface AcceptedInvite {
  /** The name in the private core. */
  readonly name: string
  readonly core: Core
  /** The session that covers it. */
  readonly session: Session
  /** What the account is in it. */
  readonly roles: readonly string[]
}

/**
 * The invites that were made in a core: every grant in force to one account, with its link.
 *
 * @throws NetworkError, ProblemError.
 */
export async function listInvites(at: CoreAt): Promise<Schemas['InviteView'][]> {
  return (await at.session.client.call('get', '/@{core}/-/invites', { path: { core: at.id } })).invites
}

/**
 * The invites that wait for whoever is signed in, at this node.
 *
 * @throws NetworkError, ProblemError.
 */
export async function ownInvites(session: Session): Promise<Schemas['OwnInviteView'][]> {
  return (await session.client.call('get', '/-/invites')).invites
}

/**
 * Reads a link, `kubelt://bafy…?grant=bafy…&from=/ip4/…`, or the bare id of a core.
 *
 * @throws KubeltError `bad-link`.
 */
export function parseInvite(link: string): InviteLink {
  const [id = '', query = ''] = link
    .trim()
    .replace(/^kubelt:\/\//, '')
    .split('?', 2)
  const said = new URLSearchParams(query)
  const grant = said.get('grant')
  try {
    return {
      core: parseId<CoreId>(id),
      ...(grant !== null && { grant: parseId<OpId>(grant) }),
      from: said.getAll('from'),
    }
  } catch (cause) {
    const hint = 'Copy the whole link again, or ask for a new one.'
    throw new KubeltError('bad-link', 'This is no invite.', hint, { cause })
  }
}

/**
 * Accepts an invite: signs in anew, to the core, too, and names it in the private core `own`. Where the core is not at this
 * node, it is brought from one of those in the link. Again, it changes nothing.
 *
 * @param name what the private core is to call it; made of the core's own name when absent
 * @throws SignatureRejectedError; ProblemError `not-found` where the account has no part in it, or no node has it.
 */
export async function acceptInvite(own: Core, signer: Signer, link: string, name?: string): Promise<AcceptedInvite> {
  const invite = parseInvite(link)
  const cores = [...new Set([...own.session.cores, invite.core])]
  const session = await own.session.renew(signer, { cores: cores.map((core) => ({ core })) })
  const accepted = await accept(session, invite, name)
  const home = await Core.open(session, { storage: own.session.storage })
  await home.sync()
  if (home.get(`cores/${accepted.name}`) === undefined) await nameCore(home, accepted.name, invite.core)
  await home.sync()
  const core = await Core.open(session, { core: invite.core })
  await core.sync()
  return { name: accepted.name, core, session, roles: accepted.roles }
}

/** Here first, and then at the nodes that the link names. */
async function accept(
  session: Session,
  invite: InviteLink,
  name: string | undefined,
): Promise<Schemas['AcceptedView']> {
  const ask = (from?: string) => {
    const body = { core: invite.core, ...(name !== undefined && { name }), ...(from !== undefined && { from }) }
    return session.client.call('post', '/-/invites', { body })
  }
  let failure: unknown
  for (const from of [undefined, ...invite.from]) {
    try {
      return await ask(from)
    } catch (error) {
      if (!(error instanceof ProblemError) || error.code !== 'not-found') throw error
      failure = error
    }
  }
  throw failure
}
