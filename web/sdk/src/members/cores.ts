/**
 * Cores that others name: made, found, listed; cores of several people, children inside of a core, and cores of users.
 * `docs/build/composition.md` says how they compose.
 *
 * @module
 */

import type { Schemas } from '../api/client.js'
import { parseAbility } from '../core/ability.js'
import { accountsOf, parseAccount, thresholdOf } from '../core/account.js'
import { blockOf } from '../core/bytes.js'
import type { Value } from '../core/dag-cbor.js'
import { fromDagJson } from '../core/dag-json.js'
import { coreIdOf, decodeGenesis } from '../core/genesis.js'
import { type CoreId, linkOf, type OpId, parseId } from '../core/ids.js'
import type { Act } from '../core/op.js'
import { parsePath } from '../core/path.js'
import { ForeignMessageError, IntegrityError, KubeltError, ProblemError, VotesNeededError } from '../errors.js'
import type { Condition, Gate } from '../gates/gates.js'
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
/** A contract, or one of its tokens. */
const CONTRACT = /^[0-9]+:0x[0-9a-fA-F]{40}(:[0-9]+)?$/

/** A shared core that somebody wants. */
export interface NewCore {
  /**
   * Under which name the core that it is made in knows it: 1 to 64 letters, digits, `-` or `_`. Or a contract, `1:0x…`, or one
   * of its tokens, `1:0x…:7`: then it is the core of whoever holds that, and the same one whoever makes it.
   */
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

/** How the cores begin that are made in a core: the value of `config/template`. */
export interface Template {
  /** Gives everybody who signs in through it a core of their own. */
  readonly user?: UserTemplate
  /** Lets cores of contracts be made: who passes, where the contract's kind is not enough to tell. */
  readonly contract?: Omit<Gate, 'opens' | 'if'> & { readonly if?: Condition }
  /** Gates of the core that guard the making of children, by their name; `*` stands for all others. */
  readonly children?: { readonly [name: string]: string }
}

/** How a user's core begins. */
export interface UserTemplate {
  /** The gate of the parent that an account passes when it signs in. */
  readonly gate?: string
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
  const { account } = parent.session
  const isAlone = thresholdOf(genesis.root) === 1 && accountsOf(genesis.root).includes(account)
  // Signed before anything names it: who declines has the name free for another try.
  const core = isAlone ? await Core.begin(parent.session, genesis) : undefined
  await core?.sign(signer, { verb: 'seal' })
  let asked: string | undefined
  for (const act of namingActs(made, name, id)) asked = (await doOrAsk(parent, act)) ?? asked
  await parent.sync()
  await core?.send()
  return { id, ...(asked !== undefined && { asked }) }
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
 * The same with what lies in each that the session covers, down to the lowest level; 1,000 cores at most. Only the first
 * level has links to cores that are no children.
 */
export async function coreTree(at: CoreAt): Promise<CoreTree[]> {
  let left = TREE_CORES_MAX
  const below = async ({ session, id }: CoreAt, depth: number): Promise<CoreTree[]> => {
    if (depth > CORES_ABOVE_MAX) return []
    // To whom the session hands nothing there, its cores are not shown.
    if (depth > 0 && id !== session.core && session.abilities(id).length === 0) return []
    const named = await listCores({ session, id }).catch((error: unknown) => {
      // Nor where it has been taken away since.
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
 * Says how cores begin that are made in a core: with `{ user: {} }` everybody may sign in through it, each to a core of their
 * own. `undefined` lets nobody new in.
 *
 * @throws as {@link Core.put}.
 */
export function setTemplate(core: Core, template: Template | undefined): Promise<OpId> {
  return core.put('config/template', template === undefined ? null : fromDagJson(template))
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

/** The session does it, or asks for it; gives the request. */
async function doOrAsk(core: Core, act: Act): Promise<string | undefined> {
  try {
    await core.act(act)
    return undefined
  } catch (error) {
    if (!(error instanceof VotesNeededError)) throw error
    return askOthers(core, act)
  }
}

/** What the core above is to say of a new one: nothing but its name, and the gate of a contract's core. */
function namingActs(made: Schemas['CoreMade'], name: string, core: CoreId): Act[] {
  if (!CONTRACT.test(name)) return [naming(name, core)]
  const own = name.toLowerCase()
  return (made.puts ?? []).map(({ path, value: json }) => {
    const value = fromDagJson(json) as { core?: unknown; opens?: unknown }
    const isName = path === `cores/${own}` && String(value.core) === core
    const isGate = path === `gates/${own}` && Array.isArray(value.opens) && String(value.opens) === `cores/${own}`
    if (!isName && !isGate) throw new ForeignMessageError(`something else than the name of the core \`${own}\``)
    return { verb: 'put', path: parsePath(path), value: value as Value }
  })
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
