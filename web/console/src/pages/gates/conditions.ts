/** Conditions of gates: in words, and as a form has them. */

import type { Comparison, Condition } from '@kubelt/sdk'
import { short } from '../../format.js'

const CHAINS: Record<number, string> = {
  1: 'Ethereum',
  10: 'OP Mainnet',
  100: 'Gnosis',
  137: 'Polygon',
  8453: 'Base',
  42161: 'Arbitrum One',
  11155111: 'Sepolia',
}

export const COMPARISONS: Record<Comparison, string> = {
  eq: 'is',
  ne: 'is not',
  lt: 'is less than',
  le: 'is at most',
  gt: 'is more than',
  ge: 'is at least',
}

/** A condition as a tree of words. */
export interface Line {
  readonly text: string
  readonly parts: readonly Line[]
}

export function linesOf(condition: Condition): Line {
  if ('all' in condition) return { text: 'all of these', parts: condition.all.map(linesOf) }
  if ('any' in condition) return { text: 'at least one of these', parts: condition.any.map(linesOf) }
  if ('not' in condition) return { text: 'not this', parts: [linesOf(condition.not)] }
  return { text: testWords(condition), parts: [] }
}

function testWords(test: Exclude<Condition, { all: unknown } | { any: unknown } | { not: unknown }>): string {
  if ('erc721' in test) {
    const { token, min = '1' } = test.erc721
    return `holds ${token === undefined ? (min === '1' ? 'a token' : `at least ${min} tokens`) : `token ${token}`} of ${at(test.erc721)}`
  }
  if ('erc1155' in test) {
    const { token, min = '1' } = test.erc1155
    return `holds ${min === '1' ? '' : `at least ${min} of `}token ${token} of ${at(test.erc1155)}`
  }
  if ('erc20' in test) return `holds at least ${test.erc20.min} of the smallest unit of ${at(test.erc20)}`
  const { is, value, word = 0 } = test.call
  return `the answer of ${at(test.call)}${word === 0 ? '' : `, word ${word},`} ${COMPARISONS[is]} ${value}`
}

function at({ chain, contract }: { chain: number; contract: string }): string {
  return `${short(contract, 8, 6)} on ${CHAINS[chain] ?? `chain ${chain}`}`
}

export const KINDS = {
  erc721: 'holds an NFT (ERC-721)',
  erc1155: 'holds a token of a collection (ERC-1155)',
  erc20: 'holds so much of a token (ERC-20)',
  call: 'a contract answers so',
  any: 'at least one of…',
  all: 'all of…',
  not: 'not…',
} as const
export type Kind = keyof typeof KINDS

/** A condition while it is written. */
export interface Draft {
  kind: Kind
  chain: string
  contract: string
  token: string
  min: string
  data: string
  is: Comparison
  value: string
  parts: Draft[]
}

export function newDraft(kind: Kind = 'erc721'): Draft {
  return { kind, chain: '1', contract: '', token: '', min: '', data: '', is: 'ge', value: '1', parts: [] }
}

/** As it will stand in the map; what is wrong with it, the SDK says. */
export function conditionOf(draft: Draft): Condition {
  const { kind, token, min, data, is, value, parts } = draft
  const where = { chain: Number(draft.chain), contract: draft.contract.trim() }
  switch (kind) {
    case 'erc721':
      return { erc721: { ...where, ...(token.trim() ? { token: token.trim() } : min.trim() && { min: min.trim() }) } }
    case 'erc1155':
      return { erc1155: { ...where, token: token.trim(), ...(min.trim() && { min: min.trim() }) } }
    case 'erc20':
      return { erc20: { ...where, min: min.trim() } }
    case 'call':
      return { call: { ...where, data: data.trim(), is, value: value.trim() } }
    case 'not':
      return { not: conditionOf(parts[0] ?? newDraft()) }
    default:
      return kind === 'all' ? { all: parts.map(conditionOf) } : { any: parts.map(conditionOf) }
  }
}
