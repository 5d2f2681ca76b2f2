/**
 * What addresses of the console mean:
 *
 *     /                          the cores of who is signed in
 *     /account                   a page of its own, as `topPages` lists them
 *     /@me/content/site/a.html   a page of a core, as `corePages` lists them, and what it shows
 *
 * A core is `@me`, the private one, or `@` and an id.
 */

/** Where an address leads. */
export interface PagePlace {
  /** `me` or a core's id; `undefined` for pages that are about no core. */
  readonly core?: string
  /** The name of the page; empty for the first one. */
  readonly page: string
  /** What the page is to show: the rest of the path, one name after the other. */
  readonly rest: readonly string[]
}

/** Reads an address, which begins with a slash. */
export function placeOf(address: string): PagePlace {
  const names = address
    .split('/')
    .filter((name) => name !== '')
    .map(plain)
  const [first = '', ...others] = names
  if (!first.startsWith('@')) return { page: first, rest: others }
  const [page = '', ...rest] = others
  return { core: first.slice(1), page, rest }
}

/** The address of a page of a core. */
export function addressOf(core: string, page: string, rest: readonly string[] = []): string {
  return `/@${core}/${[page, ...rest].map(encodeURIComponent).join('/')}`
}

function plain(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
