import { type PagePlace, placeOf } from '../places.js'

/** Without a slash at its end: `/_`. */
const BASE = import.meta.env.BASE_URL.replace(/\/$/, '')

/** Where the console is; addresses are those below `/_/`, beginning with a slash. */
class Router {
  #address = $state(below(location.pathname) ?? '/')
  readonly place: PagePlace = $derived(placeOf(this.#address))
  /** Whether the person went anywhere since the console was opened. */
  hasMoved = false

  constructor() {
    addEventListener('popstate', () => {
      this.hasMoved = true
      this.#address = below(location.pathname) ?? '/'
    })
    document.addEventListener('click', (event) => this.#follow(event))
  }

  get address(): string {
    return this.#address
  }

  go(address: string, how: { replace?: boolean } = {}): void {
    if (address === this.#address) return
    this.hasMoved = true
    history[how.replace ? 'replaceState' : 'pushState'](null, '', BASE + address)
    this.#address = address
    scrollTo(0, 0)
  }

  /** Links within the console are followed without a new page; whatever the person does to open them elsewhere, works. */
  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (!link || link.origin !== location.origin || link.target || link.hasAttribute('download')) return
    const address = below(link.pathname)
    if (address === undefined || link.hash || address.startsWith('/docs')) return
    event.preventDefault()
    this.go(address)
  }
}

/** What a link to an address of the console says. */
export function href(address: string): string {
  return BASE + address
}

function below(pathname: string): string | undefined {
  if (pathname === BASE) return '/'
  return pathname.startsWith(`${BASE}/`) ? pathname.slice(BASE.length) : undefined
}

export const router = new Router()
