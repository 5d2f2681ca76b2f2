/**
 * What is said when something goes wrong: what happened, what became of the person's work, and what to do next.
 */

import {
  AccountSwitchedError,
  DeviceFullError,
  ForeignMessageError,
  IntegrityError,
  KubeltError,
  NetworkError,
  NotAllowedError,
  ProblemError,
  QuotaError,
  RateLimitedError,
  RemovedFromCoreError,
  SessionExpiredError,
  SignatureRejectedError,
  UploadInterruptedError,
  VotesNeededError,
} from '@kubelt/sdk'

/** What the person can do about it here. */
export type Next = 'retry' | 'sign-in' | 'cores' | 'reload' | 'none'

/** A problem in words. */
export interface Explanation {
  readonly title: string
  /** What happened; `…` is code. */
  readonly text: string
  /** What to do next, and what became of the person's work. */
  readonly hint?: string
  readonly next: Next
  /** The request's id, by which the node's operator finds it. */
  readonly request?: string
}

type Kind = readonly [kind: abstract new (...args: never[]) => Error, title: string, next: Next]

/** The first that fits counts. */
const KINDS: readonly Kind[] = [
  [SignatureRejectedError, 'Nothing was signed', 'retry'],
  [AccountSwitchedError, 'Your wallet is at another account', 'retry'],
  [NetworkError, 'The node cannot be reached', 'retry'],
  [UploadInterruptedError, 'The connection was lost', 'retry'],
  [SessionExpiredError, 'Your session is over', 'sign-in'],
  [QuotaError, 'There is no room left', 'none'],
  [DeviceFullError, 'This device is full', 'none'],
  [RemovedFromCoreError, 'You have no part in this core any more', 'cores'],
  [VotesNeededError, 'Others must agree first', 'none'],
  [NotAllowedError, 'You may not do this here', 'none'],
  [RateLimitedError, 'That was too much at once', 'retry'],
  [IntegrityError, 'The node gave something false', 'retry'],
  [ForeignMessageError, 'The node asked for another signature', 'none'],
  [ProblemError, 'The node refused', 'retry'],
]

/** Says what an error means. */
export function explain(error: unknown): Explanation {
  if (isStaleBuild(error)) {
    const text = 'The console was updated on the node while this page was open.'
    return { title: 'There is a newer console', text, hint: 'Reload it; what you wrote is kept.', next: 'reload' }
  }
  const [, title, next] = KINDS.find(([kind]) => error instanceof kind) ?? [Error, 'That did not work', 'retry']
  const { what, hint } = error instanceof KubeltError ? error : { what: messageOf(error), hint: '' }
  const request = error instanceof ProblemError ? error.instance : undefined
  return { title, text: sentence(what), next, ...(hint && { hint }), ...(request !== undefined && { request }) }
}

/** In one line, for where there is no room for more. */
export function inShort(error: unknown): string {
  const { title, text, hint } = explain(error)
  return error instanceof KubeltError ? [text, hint].filter(Boolean).join(' ') : `${title}: ${text}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Chunks of an older build are gone once the node has a newer one. */
function isStaleBuild(error: unknown): boolean {
  return error instanceof TypeError && /dynamically imported module|Importing a module script/i.test(error.message)
}

function sentence(text: string): string {
  const trimmed = text.trim() || 'No reason was given'
  const begun = trimmed.charAt(0).toUpperCase() + trimmed.slice(1)
  return /[.!?]$/.test(begun) ? begun : `${begun}.`
}
