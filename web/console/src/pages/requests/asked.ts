/** What a program asks a wallet for, in a form that people can judge. */

import type { SignRequest } from '@kubelt/sdk'

export interface Asked {
  readonly title: string
  /** What would be signed or sent. */
  readonly shown: string
}

const TITLES: Record<string, string> = {
  personal_sign: 'Sign a message',
  eth_sendTransaction: 'Send a transaction',
  wallet_sendCalls: 'Send several calls',
}

export function readAsked({ method, params, safe }: SignRequest): Asked {
  const title = TITLES[method] ?? (method.startsWith('eth_signTypedData') ? 'Sign typed data' : method)
  if (safe) return { title: `${title}, as an owner of a Safe`, shown: safe.words }
  if (method === 'personal_sign') return { title, shown: messageOf(params[0]) }
  if (method.startsWith('eth_signTypedData')) return { title, shown: pretty(params[1]) }
  return { title, shown: pretty(params.length === 1 ? params[0] : params) }
}

/** Programs give the bytes of a message as hex; what is no text is shown as it is. */
export function messageOf(param: unknown): string {
  const text = String(param)
  if (!/^0x([0-9a-f]{2})*$/i.test(text)) return text
  const bytes = Uint8Array.from(text.slice(2).match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return text
  }
}

function pretty(value: unknown): string {
  try {
    return JSON.stringify(typeof value === 'string' ? JSON.parse(value) : value, null, 2)
  } catch {
    return String(value)
  }
}
