/**
 * What the log takes in: operations whose signature and login are already checked.
 *
 * @module
 */

import { bodyIdOf, checkAct } from '../body.js'
import { DecodeError } from '../errors.js'
import { compareIds, type OpId } from '../ids.js'
import { type CheckedLogin, checkLogin, factsOf, type Login, type LoginFacts } from '../login.js'
import { type Body, checkHeader, type Header, opIdOf, type Signed, verbOf } from '../op.js'
import { type Verdict, verifySigned } from '../signature.js'

/** An operation whose signature was checked, and whose login, where it has one, was too. */
export interface Entry {
  readonly id: OpId
  readonly header: Header
  /** Absent where it is withheld, which only a `put`'s may be. */
  readonly body?: Body
  readonly login?: LoginFacts
}

/**
 * Puts an operation together.
 *
 * @throws DecodeError when a part belongs to another header.
 */
export function entryOf(header: Header, body?: Body, login?: LoginFacts): Entry {
  checkHeader(header)
  if (body) checkBody(header, body)
  if (header.login !== login?.id) throw new DecodeError('the sign-in given is not the one that the header names')
  return { id: opIdOf(header), header, ...(body && { body }), ...(login && { login }) }
}

/**
 * Checks an operation's signature and, where it names one, its login.
 *
 * @throws SignatureError, LoginError, WordsError or DecodeError when something is not good.
 */
export function verifyEntry(signed: Signed, body?: Body, login?: Login): { entry: Entry; verdict: Verdict } {
  return verifyUnder(signed, body, login && checkLogin(login))
}

/**
 * The same for a login that was checked before.
 *
 * @throws as {@link verifyEntry}.
 */
export function verifyUnder(
  signed: Signed,
  body?: Body,
  checked?: { login: CheckedLogin; verdict: Verdict },
): { entry: Entry; verdict: Verdict } {
  const verdict = verifySigned(signed, body, checked?.login.session)
  const entry = entryOf(signed.header, body, checked && factsOf(checked.login, signed.header.core))
  return { entry, verdict: checked?.verdict === 'pending' ? 'pending' : verdict }
}

/**
 * Checks that a body is the one that a header names.
 *
 * @throws DecodeError when it is not.
 */
export function checkBody(header: Header, body: Body): void {
  if (bodyIdOf(body) !== header.body) throw new DecodeError('the body is not the one that the header names')
  checkAct(body.act)
  if (verbOf(body.act) !== header.verb) {
    throw new DecodeError(`the header says \`${header.verb}\` but the body is a \`${body.act.verb}\``)
  }
}

/** The order of operations: by date, then id. */
export function compareEntries(a: Entry, b: Entry): number {
  if (a.header.at !== b.header.at) return a.header.at < b.header.at ? -1 : 1
  return compareIds(a.id, b.id)
}
