import type { Visibility } from '@kubelt/sdk'

/** Who may read, in words. */
export const VISIBILITIES: readonly {
  value: Visibility
  name: string
  says: string
  tone: 'plain' | 'good' | 'warn'
}[] = [
  {
    value: 'private',
    name: 'Private',
    says: 'Only the core’s owners, and whoever may hold a copy of it.',
    tone: 'plain',
  },
  { value: 'members', name: 'Members', says: 'Whoever has a part in this core that lets them read it.', tone: 'warn' },
  {
    value: 'public',
    name: 'Public',
    says: 'Anybody, by its address and by its CID. What was fetched cannot be taken back.',
    tone: 'good',
  },
]

export function visibilityOf(value: Visibility) {
  return VISIBILITIES.find((one) => one.value === value) ?? (VISIBILITIES[0] as (typeof VISIBILITIES)[number])
}
