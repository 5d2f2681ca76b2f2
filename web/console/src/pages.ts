import type { Component } from 'svelte'
import { waitingFor } from './pages/requests/waiting.svelte.js'
import type { OpenCore } from './state/open-core.svelte.js'
import type { IconName } from './ui/icons.js'

/** What a page of a core is given. */
export interface CorePageProps {
  open: OpenCore
  /** The names after the page's own in the address. */
  rest: readonly string[]
}

interface Page {
  /** As it stands in addresses. */
  readonly name: string
  readonly title: string
  readonly icon: IconName
}

/** A page about one core: `/@me/content`. */
export interface CorePage extends Page {
  readonly load: () => Promise<{ default: Component<CorePageProps> }>
  /** How much waits there for who is signed in; the menu shows it. */
  readonly waits?: (open: OpenCore) => number
}

/** What a page about no core is given. */
export interface TopPageProps {
  /** The private core of who is signed in. */
  own: OpenCore
}

/** A page about no core: `/account`. It is there for who is signed in. */
export interface TopPage extends Page {
  readonly load: () => Promise<{ default: Component<TopPageProps> }>
}

/** The pages of a core, in the order of the menu; the first is the one that a core opens with. */
export const corePages: readonly CorePage[] = [
  { name: 'content', title: 'Content', icon: 'content', load: () => import('./pages/content/Content.svelte') },
  { name: 'members', title: 'Members', icon: 'members', load: () => import('./pages/members/Members.svelte') },
  {
    name: 'requests',
    title: 'Requests',
    icon: 'requests',
    load: () => import('./pages/requests/Requests.svelte'),
    waits: waitingFor,
  },
  { name: 'inside', title: 'Inside', icon: 'cores', load: () => import('./pages/inside/Inside.svelte') },
  { name: 'gates', title: 'Gates', icon: 'gates', load: () => import('./pages/gates/Gates.svelte') },
  { name: 'sealed', title: 'Sealed', icon: 'sealed', load: () => import('./pages/sealed/Sealed.svelte') },
  { name: 'names', title: 'Host names', icon: 'globe', load: () => import('./pages/names/Names.svelte') },
  { name: 'activity', title: 'Activity', icon: 'activity', load: () => import('./pages/activity/Activity.svelte') },
  { name: 'settings', title: 'Settings', icon: 'settings', load: () => import('./pages/settings/Settings.svelte') },
]

/** The pages below them. */
export const topPages: readonly TopPage[] = [
  { name: '', title: 'Cores', icon: 'cores', load: () => import('./pages/Cores.svelte') },
  { name: 'account', title: 'Account', icon: 'wallet', load: () => import('./pages/account/Account.svelte') },
  { name: 'node', title: 'Node', icon: 'node', load: () => import('./pages/node/Node.svelte') },
]
