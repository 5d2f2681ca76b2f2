import type { Eip1193Provider } from '@kubelt/sdk'

/** A wallet that announced itself (EIP-6963). */
export interface Wallet {
  /** Its domain in reverse, which names the program. */
  readonly rdns: string
  readonly name: string
  /** A picture as a data URI; `undefined` where it gave something else. */
  readonly icon: string | undefined
  readonly provider: Eip1193Provider
}

interface Announcement {
  readonly info?: { readonly rdns?: unknown; readonly name?: unknown; readonly icon?: unknown; readonly uuid?: unknown }
  readonly provider?: Partial<Eip1193Provider>
}

const NAME_LETTERS_MAX = 64

/** Wallets are other people's programs: what they say of themselves is checked before it is shown. */
export function readAnnouncement(detail: unknown): Wallet | undefined {
  const { info, provider } = (detail ?? {}) as Announcement
  if (typeof info?.name !== 'string' || typeof info.rdns !== 'string' || typeof provider?.request !== 'function') return
  const icon = typeof info.icon === 'string' && info.icon.startsWith('data:image/') ? info.icon : undefined
  return {
    rdns: info.rdns,
    name: info.name.slice(0, NAME_LETTERS_MAX),
    icon,
    provider: provider as Eip1193Provider,
  }
}
