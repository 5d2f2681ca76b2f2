import { describe, expect, test } from 'vitest'
import { parseAbility } from '../../src/core/ability.js'
import type { Account } from '../../src/core/account.js'
import { decodeBody } from '../../src/core/body.js'
import { Refusal } from '../../src/core/errors.js'
import { decodeGenesis } from '../../src/core/genesis.js'
import { compareIds, type LoginId, type OpId } from '../../src/core/ids.js'
import { type Entry, entryOf } from '../../src/core/log/entry.js'
import { Log } from '../../src/core/log/log.js'
import type { LoginFacts } from '../../src/core/login.js'
import { decodeHeader } from '../../src/core/op.js'
import { MapState } from '../../src/core/state.js'
import { base64, dice, shuffled, vectors } from '../vectors.js'

/** Far ahead of every date, so that nothing is held. */
const LATE_MS = 2 ** 47

interface Facts {
  id: LoginId
  account: Account
  abilities: string[]
  issued_ms: number
  from_ms: number
  expires_ms: number
  heads: OpId[]
}

interface History {
  seed: number
  genesis: string
  logins: Facts[]
  ops: [header: string, body: string, effective: boolean][]
  refused: [header: string, body: string, code: string][]
  heads: OpId[]
  root: unknown
  grants: OpId[]
  state: [path: string, op: OpId][]
}

const { histories } = vectors<{ histories: History[] }>('merge.json')

function read(history: History) {
  const logins = new Map(history.logins.map((facts) => [facts.id, factsOf(facts)]))
  const entry = ([header, body]: readonly [string, string, unknown]): Entry => {
    const decoded = decodeHeader(base64(header))
    return entryOf(decoded, decodeBody(base64(body)), decoded.login && logins.get(decoded.login))
  }
  return { ops: history.ops.map(entry), refused: history.refused.map(entry) }
}

function factsOf(facts: Facts): LoginFacts {
  const { id, account, heads, issued_ms: issuedMs, from_ms: fromMs, expires_ms: expiresMs } = facts
  return { id, account, heads, issuedMs, fromMs, expiresMs, abilities: facts.abilities.map(parseAbility) }
}

/** Delivers operations in any order: what comes before what it follows waits. */
function deliver(log: Log, entries: readonly Entry[]): void {
  let waiting = [...entries]
  while (waiting.length > 0) {
    const before = waiting.length
    waiting = waiting.filter((entry) => {
      try {
        log.insert(entry, LATE_MS)
        return false
      } catch (error) {
        if (error instanceof Refusal && error.code === 'UnknownPrev') return true
        throw error
      }
    })
    expect(waiting.length, 'something came in').toBeLessThan(before)
  }
}

function check(history: History, log: Log): void {
  const flags = new Map(log.graph.nodes.map((node) => [node.id, node.effective]))
  read(history).ops.forEach((entry, i) => {
    expect(flags.get(entry.id), `operation ${i}, a ${entry.header.verb}`).toBe(history.ops[i]?.[2])
  })
  expect(log.heads()).toEqual(history.heads)
  expect(log.root()).toEqual(history.root)
  const grants = log.grants().map(({ id }) => id)
  expect(grants.sort(compareIds)).toEqual(history.grants)
  const state = new MapState(log).winners().map(([path, { op }]) => [path, op.id])
  expect(state).toEqual(history.state)
}

describe.each(histories)('history $seed', (history) => {
  const { ops, refused } = read(history)
  const genesis = decodeGenesis(base64(history.genesis))

  test('counts alike, one operation after the other', () => {
    const log = new Log(genesis)
    for (const entry of ops) log.insert(entry, LATE_MS)
    check(history, log)
  })

  test('counts alike in any order, and after any beginning', () => {
    const below = dice(history.seed)
    for (let round = 0; round < 3; round++) {
      const log = new Log(genesis)
      deliver(log, shuffled(ops, below))
      check(history, log)
    }
    const log = new Log(genesis)
    const cut = below(ops.length + 1)
    for (const entry of ops.slice(0, cut)) log.insert(entry, LATE_MS)
    expect(log.insertMany(ops.slice(cut), LATE_MS).refused.size).toBe(0)
    check(history, log)
  })

  test('refuses what is not well-formed, for the same reason', () => {
    const log = new Log(genesis)
    log.insertMany(ops, LATE_MS)
    refused.forEach((entry, i) => {
      let code = 'none'
      try {
        log.insert(entry, LATE_MS)
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        code = error.code
      }
      expect(code, `refused operation ${i}, a ${entry.header.verb}`).toBe(history.refused[i]?.[2])
    })
  })
})

test('the histories hold what they are meant to test', () => {
  const seen = new Map<string, number>()
  const note = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)
  for (const history of histories) {
    const { ops } = read(history)
    ops.forEach(({ header }, i) => {
      note(`${header.verb} ${history.ops[i]?.[2]}`)
      if (header.login) note(`session ${history.ops[i]?.[2]}`)
      if (header.votes.length > 0) note(`votes ${history.ops[i]?.[2]}`)
    })
  }
  for (const verb of ['put', 'grant', 'revoke', 'rotate', 'seal', 'vote', 'session', 'votes']) {
    for (const counts of [true, false])
      expect(seen.get(`${verb} ${counts}`) ?? 0, `${verb} ${counts}`).toBeGreaterThan(1)
  }
})

test('an operation dated ahead is held, not refused', () => {
  const [history] = histories
  if (!history) throw new Error('there are histories')
  const [first] = read(history).ops
  if (!first) throw new Error('it has operations')
  const log = new Log(decodeGenesis(base64(history.genesis)))
  expect(() => log.insert(first, 0)).toThrow(expect.objectContaining({ code: 'Ahead' }))
  expect(log.size).toBe(0)
})
