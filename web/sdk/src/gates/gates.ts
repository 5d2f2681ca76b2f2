/**
 * Gates: parts of a core that are for members are open to holders of tokens, too, or to whoever else a contract can be asked
 * about. `docs/build/gates.md` says how they are judged, and what they cannot do.
 *
 * @module
 */

import type { Schemas } from '../api/client.js'
import { parsePattern } from '../core/ability.js'
import { AccountError, checksummed, parseAccount, parseAddress } from '../core/account.js'
import type { Value } from '../core/dag-cbor.js'
import type { OpId } from '../core/ids.js'
import { PathError } from '../core/path.js'
import { KubeltError } from '../errors.js'
import type { Core } from '../local/core.js'
import type { CoreAt } from '../members/place.js'

/** A name of one's own, or a contract, perhaps one of its tokens, whose core it is the gate of. */
const NAME = /^([A-Za-z0-9_-]{1,64}|[1-9][0-9]*:0x[0-9a-f]{40}(:(0|[1-9][0-9]*))?)$/
const OPENS_MAX = 16
const DEPTH_MAX = 4
const TESTS_MAX = 16
const KEEP_S_MAX = 3_600

/** A contract, and on which chain (EIP-155 id). */
export interface ContractAt {
  readonly chain: number
  /** `0x…` */
  readonly contract: string
}

/** How an answer is compared. */
export type Comparison = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge'

/** Who passes. Numbers of 256 bits are text, decimal or hex. */
export type Condition =
  | { readonly all: readonly Condition[] }
  | { readonly any: readonly Condition[] }
  | { readonly not: Condition }
  | {
      /** Has a token of the collection; so many with `min`, this one with `token`. */
      readonly erc721: ContractAt & { readonly min?: string; readonly token?: string }
    }
  | { readonly erc1155: ContractAt & { readonly token: string; readonly min?: string } }
  | {
      /** Has so much, in the smallest unit. */
      readonly erc20: ContractAt & { readonly min: string }
    }
  | {
      /** Is answered so: `{holder}` in `data` stands for the account. */
      readonly call: ContractAt & {
        readonly data: string
        readonly is: Comparison
        readonly value: string
        readonly word?: number
        readonly signed?: boolean
      }
    }

/** A gate. */
export interface Gate {
  /** Patterns of what it opens: `content/vip/**`, or `cores/club` for a child that is named to members. */
  readonly opens: readonly string[]
  /** Who passes. */
  readonly if: Condition
  /** The block that is asked; `latest` when absent. */
  readonly at?: 'latest' | 'safe' | 'finalized'
  /** How long what was found holds, in seconds: 1 to 3,600; 15 when absent. */
  readonly keep?: number
  /** Whether strangers may know of it, and learn why they do not pass it. */
  readonly shown?: boolean
}

/** A gate as it is listed, with its condition in words. */
export type GateView = Schemas['GateView']

/** How an account fares at a gate, and why. */
export type GateTrial = Schemas['GateTrial']

/**
 * The gates of a core: all of them for its members, for others those that are shown.
 *
 * @throws NetworkError, ProblemError.
 */
export async function listGates(at: CoreAt): Promise<GateView[]> {
  return (await at.session.client.call('get', '/@{core}/-/gates', { path: { core: at.id } })).gates
}

/** The gates as they stand in the log on this device, by name. */
export function gatesOf(core: Core): Map<string, Gate> {
  return new Map(
    core.entries('gates').map(([path, value]) => [path.slice('gates/'.length), value as unknown as Gate] as const),
  )
}

/**
 * Sets a gate.
 *
 * @throws KubeltError `bad-gate` says what is wrong with it; as {@link Core.put}.
 * @example
 * ```ts
 * import { Client, Core, keySigner, Session, setGate } from '@kubelt/sdk'
 *
 * const client = new Client('http://127.0.0.1:4747')
 * const core = await Core.open(await Session.signIn(client, keySigner(process.env.WALLET_SECRET ?? '')))
 * const erc20 = { chain: 1, contract: '0x6b175474e89094c44da98b954eedeac495271d0f', min: '1000000000000000000' }
 * await setGate(core, 'supporters', { opens: ['content/news/**'], if: { erc20 }, shown: true })
 * console.log((await core.sync()).refused.length)
 * ```
 */
export async function setGate(core: Core, name: string, gate: Gate): Promise<OpId> {
  if (!NAME.test(name)) throw refused('Its name has 1 to 64 letters, digits, `-` and `_`, or is a contract: `1:0x…`.')
  return core.put(`gates/${name}`, gateValue(gate))
}

/** Removes a gate: it opens nothing any more. */
export function removeGate(core: Core, name: string): Promise<OpId> {
  return core.put(`gates/${name}`, null)
}

/**
 * Whether an account passes a gate, with what each test found and at which block. Members ask about anybody, others about
 * themselves, where the gate is shown.
 *
 * @param account whoever is signed in when absent
 * @throws KubeltError `bad-account`; ProblemError `not-found`; NetworkError.
 */
export async function checkGate(at: CoreAt, name: string, account?: string): Promise<GateTrial> {
  const path = { core: at.id, name }
  const query = account === undefined ? {} : { account: readAccount(account) }
  return at.session.client.call('get', '/@{core}/-/gates/{name}/check', { path, query })
}

/**
 * A gate as it stands in the map.
 *
 * @throws KubeltError `bad-gate` says what is wrong with it.
 */
export function gateValue(gate: Gate): Value {
  const { opens, at, keep, shown } = gate
  if (opens.length === 0 || opens.length > OPENS_MAX) throw refused('It opens 1 to 16 patterns of paths.')
  for (const pattern of opens) checkOpens(pattern)
  if (keep !== undefined && !(Number.isInteger(keep) && keep >= 1 && keep <= KEEP_S_MAX))
    throw refused('What was found is kept for 1 to 3,600 seconds.')
  const tests = { count: 0 }
  const condition = conditionValue(gate.if, DEPTH_MAX, tests)
  if (tests.count > TESTS_MAX) throw refused('It has 16 tests at most.')
  return {
    opens: [...opens],
    if: condition,
    ...(at !== undefined && { at }),
    ...(keep !== undefined && { keep }),
    ...(shown !== undefined && { shown }),
  }
}

function checkOpens(pattern: string): void {
  if (!/^(content|cores)\/./.test(pattern))
    throw refused(`It opens what lies below \`content/\` or \`cores/\`, not \`${pattern.slice(0, 64)}\`.`)
  try {
    parsePattern(pattern)
  } catch (error) {
    if (error instanceof PathError) throw refused(`${error.message}.`)
    throw error
  }
}

function conditionValue(condition: Condition, levels: number, tests: { count: number }): Value {
  const [kind, ...others] = Object.keys(condition)
  if (kind === undefined || others.length > 0)
    throw refused('A condition is one of `all`, `any`, `not`, `erc20`, `erc721`, `erc1155` and `call`.')
  if (levels < 0) throw refused('Conditions nest 4 levels deep at most.')
  const within = (part: Condition) => conditionValue(part, levels - 1, tests)
  if ('all' in condition) return { all: listed(condition.all).map(within) }
  if ('any' in condition) return { any: listed(condition.any).map(within) }
  if ('not' in condition) return { not: within(condition.not) }
  tests.count++
  return { [kind]: testValue((condition as unknown as Record<string, ContractAt>)[kind] as ContractAt) }
}

function listed(parts: readonly Condition[]): readonly Condition[] {
  if (parts.length === 0) throw refused('`all` and `any` need a condition at least.')
  return parts
}

function testValue(test: ContractAt): Value {
  if (!(Number.isSafeInteger(test.chain) && test.chain > 0)) throw refused('`chain` is the id of a chain (EIP-155).')
  try {
    return {
      ...(test as unknown as Record<string, Value>),
      contract: checksummed(parseAddress(test.contract)).toLowerCase(),
    }
  } catch (error) {
    if (error instanceof AccountError) throw refused(`${error.message}.`)
    throw error
  }
}

function readAccount(account: string): string {
  try {
    return parseAccount(account)
  } catch (cause) {
    const hint = 'Write an address, `0x` and 40 hex digits.'
    throw new KubeltError('bad-account', `\`${account.slice(0, 64)}\` is no account.`, hint, { cause })
  }
}

function refused(why: string): KubeltError {
  return new KubeltError('bad-gate', 'This is no gate.', why)
}
