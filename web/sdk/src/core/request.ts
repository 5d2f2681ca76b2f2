/**
 * Requests for votes stand in the map, under their maker and the hash that votes on them name.
 *
 * @module
 */

import { type Account, AccountError, parseAccount } from './account.js'
import { DecodeError } from './errors.js'
import { type BodyId, parseId } from './ids.js'
import { below } from './path.js'

/** Where a request stands in the map. */
export function requestPath(by: Account, proposal: BodyId): string {
  return `requests/${by}/${proposal}`
}

/** Whether a path is one of requests that `by` makes. */
export function isRequestOf(path: string, by: Account): boolean {
  const [account, proposal, ...others] = below(path, 'requests')?.split('/') ?? []
  if (account === undefined || proposal === undefined || others.length > 0) return false
  try {
    return parseAccount(account) === by && requestPath(by, parseId(proposal)) === path
  } catch (error) {
    if (error instanceof AccountError || error instanceof DecodeError) return false
    throw error
  }
}
