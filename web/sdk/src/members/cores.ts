/**
 * Cores that others name: made, found, listed; cores of several people, children inside of a core, and cores of users.
 * `docs/build/composition.md` says how they compose.
 *
 * @module
 */

import type { Schemas } from '../api/client.js'
import { parseAbility } from '../core/ability.js'
import { parseAccount } from '../core/account.js'
import { blockOf } from '../core/bytes.js'
import type { Value } from '../core/dag-cbor.js'
import { coreIdOf, decodeGenesis } from '../core/genesis.js'
import { type CoreId, linkOf, type OpId, parseId } from '../core/ids.js'
import type { Act } from '../core/op.js'
import { parsePath } from '../core/path.js'
import { IntegrityError, KubeltError, ProblemError, VotesNeededError } from '../errors.js'
import { Core } from '../local/core.js'
import type { Session } from '../session/session.js'
import type { Signer } from '../session/signer.js'
import type { CoreAt, Outcome } from './place.js'
import { askOthers, signOrAsk } from './requests.js'

/** Cores above one at most, and so levels of a tree. */
const CORES_ABOVE_MAX = 7
/** Cores of a tree that are looked at. */
const TREE_CORES_MAX = 1_000
/** What a parent is called in the grants of its users. */
const PARENT_ROLE = 'parent'

/** A shared core that somebody wants. */
export interface NewCore {
  /** Under which name the core that it is made in knows it: 1 to 64 letters, digits, `-` or `_`. */
  readonly name: string
  /** What its makers call it; the name when absent. */
  readonly title?: string
  /** Who else owns it. */
  readonly owners?: readonly string[]
  /** How many of the owners must agree; one when absent. */
  readonly threshold?: number
  /**
   * Whether it lies in the core that it is made in, for good: then that core's doors are its doors, too. In a shared core it
   * always does.
   */
  readonly child?: boolean
}

/** A core that was made. */
export interface MadeCore {
  readonly id: CoreId
  /** The request that it be named, where others must agree to that. Until then it is nobody's child. */
  readonly asked?: string
}

/** A core that another one names. */
export type NamedCore = Schemas['NamedCoreView']

/** A core and what lies in it. */
export interface CoreTree extends NamedCore {
  readonly cores: readonly CoreTree[]
}

/** What a core gives everybody who signs in through it: the value of `config/template`. */
export interface UserTemplate {
  /** What each user is asked to grant to the root of the parent, such as `read content/shared/**`. */
  readonly asks?: readonly string[]
  /** Settings that a user's core begins with, by name. */
  readonly config?: { readonly [name: string]: Value }
  /** The most that such a core may use, where that is less than the node allows. */
  readonly blocks_max?: number
  readonly block_bytes_max?: number
  readonly ops_max?: number
}

/**
 * Makes a core of several people in `parent`: a private core names it, any other has it as its child. Where one owner is
 * enough, the account is asked for its first signature. Sign in again (`Session.renew`) with `cores: [{ core }]` to write in
 * it.
 *
 * @throws SignatureRejectedError, NotAllowedError, NetworkError, ProblemError `conflict` where the name is taken.
 */
export async function createCore(parent: Core, signer: Signer, wanted: NewCore): Promise<MadeCore> {
  const { name, title, owners, threshold, child } = wanted
  const made = await parent.session.client.call('post', '/@{core}/-/cores', {
    path: { core: parent.id },
    body: {
      name,
      ...(title !== undefined && { title }),
      ...(owners && { owners: [...owners] }),
      ...(threshold !== undefined && { threshold }),
      ...(child && { child }),
    },
  })
  const genesis = decodeGenesis(blockOf(made.genesis))
  const id = coreIdOf(genesis)
  if (id !== made.core) throw new IntegrityError(`The beginning of the core ${made.core}`)
  const named = await nameOrAsk(parent, name, id)
  await parent.sync()
  if ((threshold ?? 1) === 1) {
    const core = await Core.begin(parent.session, genesis)
    await core.sign(signer, { verb: 'seal' })
    await core.send()
  }
  return { id, ...('asked' in named && { asked: named.asked }) }
}

/** Names a core in another one: in a private core that is all it takes to have it at hand; a child needs it to be one. */
export function nameCore(parent: Core, name: string, core: CoreId): Promise<OpId> {
  return parent.act(naming(name, core))
}

/** Takes a name away again. The core that had it goes on. */
export function unnameCore(parent: Core, name: string): Promise<OpId> {
  return parent.put(`cores/${name}`, null)
}

/**
 * The cores that a core names, as the node lets this reader know of them: to strangers the children that publish something.
 *
 * @throws NetworkError, ProblemError.
 */
export async function listCores(at: CoreAt): Promise<NamedCore[]> {
  return (await at.session.client.call('get', '/@{core}/-/cores', { path: { core: at.id } })).cores
}

/**
 * The same with what lies in each, down to the lowest level; 1,000 cores at most. Only the first level has links to cores
 * that are no children.
 */
export async function coreTree(at: CoreAt): Promise<CoreTree[]> {
  let left = TREE_CORES_MAX
  const below = async ({ session, id }: CoreAt, depth: number): Promise<CoreTree[]> => {
    if (depth > CORES_ABOVE_MAX) return []
    const named = await listCores({ session, id }).catch((error: unknown) => {
      // What its reader may not list.
      if (error instanceof ProblemError && error.code === 'not-found' && depth > 0) return []
      throw error
    })
    const children = named.filter(({ child }) => child || depth === 0).slice(0, left)
    left -= children.length
    const trees: CoreTree[] = []
    for (const one of children)
      trees.push({ ...one, cores: await below({ session, id: parseId(one.core) }, depth + 1) })
    return trees
  }
  return below(at, 0)
}

/**
 * The core at an address such as `@acme/@widget`, `@me/@acme`, `@0x…` or `@bafy…`. The first name is one in the private core
 * of whoever is signed in; where that has none, a label of the node.
 *
 * @throws ProblemError `not-found`; NetworkError.
 */
export async function findCore(session: Session, address: string): Promise<CoreId> {
  const [first = '', ...names] = address.split('/').map((name) => name.replace(/^@/, ''))
  if (first === 'me' && names.length === 0) return session.core
  const rest = names.map((name) => `/@${name}`).join('')
  const view = (core: string) => session.client.call('get', '/@{core}', { path: { core: core + rest } })
  const starts = isAddress(first) ? [first] : first === 'me' ? [session.core] : [`${session.core}/@${first}`, first]
  let failure: unknown = new KubeltError('not-found', `\`${address}\` names no core.`)
  for (const start of starts) {
    try {
      return parseId<CoreId>((await view(start)).core)
    } catch (error) {
      if (!(error instanceof ProblemError) || error.code !== 'not-found') throw error
      failure = error
    }
  }
  throw failure
}

/**
 * Lets everybody sign in through a core, each to a core of their own in it; `undefined` lets nobody new in.
 *
 * @throws as {@link Core.put}.
 */
export function setUserTemplate(core: Core, template: UserTemplate | undefined): Promise<OpId> {
  const value = template && { user: { ...template, ...(template.asks && { asks: [...template.asks] }) } }
  return core.put('config/template', (value as Value | undefined) ?? null)
}

/**
 * Grants the core that was signed in through what it asks for (`session.asks`), in the user's own core; the account signs.
 * It can be taken back like any grant.
 *
 * @returns `undefined` where nothing is asked for
 * @throws SignatureRejectedError, AccountSwitchedError.
 */
export async function agreeToAsks(own: Core, signer: Signer): Promise<Outcome | undefined> {
  const { asks } = own.session
  if (!asks) return undefined
  return signOrAsk(own, signer, { verb: 'grant', to: asks.to, as: PARENT_ROLE, can: asks.can.map(parseAbility) })
}

async function nameOrAsk(parent: Core, name: string, core: CoreId): Promise<Outcome> {
  try {
    return { done: await nameCore(parent, name, core) }
  } catch (error) {
    if (!(error instanceof VotesNeededError)) throw error
    return { asked: await askOthers(parent, naming(name, core)) }
  }
}

function naming(name: string, core: CoreId): Act {
  return { verb: 'put', path: parsePath(`cores/${name}`), value: { core: linkOf(core) } }
}

/** Whether a name stands for itself, wherever it is looked up. */
function isAddress(name: string): boolean {
  try {
    return Boolean(name.startsWith('bafy') ? parseId(name) : parseAccount(name))
  } catch {
    return false
  }
}
