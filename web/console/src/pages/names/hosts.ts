/** How a host name stands, in words. */

import type { HostName } from '@kubelt/sdk'
import { date } from '../../format.js'

interface Said {
  readonly tone: 'good' | 'warn' | 'bad' | 'plain'
  readonly text: string
}

const PROOFS: Record<string, Said> = {
  proved: { tone: 'good', text: 'Leads here' },
  unproved: { tone: 'warn', text: 'No record yet' },
  another: { tone: 'bad', text: 'The DNS names another core' },
  unanswered: { tone: 'warn', text: 'The DNS gives no answer' },
  unchecked: { tone: 'plain', text: 'Not looked up yet' },
}

/** What the DNS says of it; `undefined` is what the node did not tell. */
export function proofOf(view: HostName | undefined): Said {
  if (!view) return { tone: 'plain', text: 'Not known here' }
  if (view.state === 'proved' && !view.leads_here) return { tone: 'warn', text: 'Proved, not bound' }
  return PROOFS[view.state] ?? { tone: 'plain', text: view.state }
}

/** How it stands with its certificate. */
export function certificateOf({ certificate }: HostName): string {
  if (!certificate) return 'This node ends no TLS: the certificate is with what stands before it.'
  const { state, until, next, failure } = certificate
  const why = failure ? ` ${sentence(failure)}` : ''
  const renewed = next ? ` The next one is asked for ${date(next)}.` : ''
  switch (state) {
    case 'given':
      return `The operator gave one.${why}`
    case 'held':
      return `There is one${until ? ` until ${date(until)}` : ''}.${renewed}${why}`
    case 'wanted':
      return `One is asked for.${why}`
    default:
      return `There is none.${why}`
  }
}

/** What the node says, as a sentence. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`
}
