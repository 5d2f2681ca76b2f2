/** People in words, and found by what others call them. */

import { type Client, format, KubeltError, type Outcome, type Schemas } from '@kubelt/sdk'

/** Somebody who was named by an address, an ENS name or a passkey's `did:key`. */
export interface FoundAccount {
  readonly account: string
  /** Where an ENS name was looked up: it is for the person to compare the address. */
  readonly ens?: Schemas['EnsView']
}

/**
 * Reads what somebody wrote for an account.
 *
 * @throws KubeltError `bad-account`; ProblemError where the node cannot look a name up; NetworkError.
 */
export async function findAccount(client: Client, written: string): Promise<FoundAccount> {
  const text = written.trim()
  if (isName(text)) {
    const ens = await client.call('get', '/-/ens/{name}', { path: { name: text } })
    return { account: format.parseAccount(ens.account), ens }
  }
  return { account: readAccount(text) }
}

/** @throws KubeltError `bad-account` */
export function readAccount(text: string): string {
  try {
    return format.parseAccount(text)
  } catch (cause) {
    const hint = 'Write `0x` and 40 hex digits, an ENS name such as `alice.eth`, or the `did:key:…` of a passkey.'
    throw new KubeltError('bad-account', `\`${text.slice(0, 64)}\` names nobody.`, hint, { cause })
  }
}

/** What people write into a field for several: one a line, or with commas between. */
export function listed(text: string): string[] {
  return text.split(/[\s,]+/).filter((one) => one !== '')
}

/** How many of how many must agree. */
export function agreement(principal: format.Principal): string {
  if (typeof principal === 'string') return 'One account, which acts alone.'
  const { m, of } = principal
  if (m === of.length) return m === 2 ? 'Both must agree.' : `All ${m} must agree.`
  return m === 1 ? `Each of these ${of.length} acts alone.` : `Any ${m} of these ${of.length} must agree.`
}

/** The accounts of a principal. */
export function accountsOf(principal: format.Principal): readonly string[] {
  return typeof principal === 'string' ? [principal] : principal.of
}

/** What to tell of something that is done, or that others were asked for. */
export function told(outcomes: Outcome | readonly Outcome[], done: string): string {
  const all = [outcomes].flat() as readonly Outcome[]
  return all.some((one) => 'asked' in one) ? 'The others are asked. It is done once enough of them agree.' : done
}

function isName(text: string): boolean {
  return /^[^\s:/@]+\.[^\s:/@.]+$/u.test(text) && !text.startsWith('0x')
}
