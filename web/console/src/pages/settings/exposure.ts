/** By which exits strangers get what is public: the rules of a core, as `config/exposure` has them. */

export const EXITS = [
  { name: 'http', says: 'by its path, on the web' },
  { name: 'ipfs', says: 'by its CID or IPNS name' },
  { name: 'network', says: 'as part of the log and copies of the core' },
] as const
export type Exit = (typeof EXITS)[number]['name']

/** What a rule says of an exit; what it says nothing of is decided further up. */
export type Say = 'open' | 'closed' | 'unsaid'
export type Says = Record<Exit, Say>

export interface Rule {
  /** Below `content`; empty for the whole core. */
  readonly path: string
  readonly says: Says
}

const AT = 'config/exposure'

export function rulesOf(entries: readonly (readonly [path: string, value: unknown])[]): Rule[] {
  return entries.map(([path, value]) => ({ path: path.slice(AT.length + 1), says: readSays(value) }))
}

export function pathOf(rule: string): string {
  const path = rule.trim().replace(/^\/+|\/+$/g, '')
  return path === '' ? AT : `${AT}/${path}`
}

export function ruleValue(says: Says): Record<string, boolean> {
  return Object.fromEntries(
    EXITS.flatMap(({ name }) => (says[name] === 'unsaid' ? [] : [[name, says[name] === 'open']])),
  )
}

function readSays(value: unknown): Says {
  const map = (value ?? {}) as Record<string, unknown>
  const say = (exit: Exit): Say => (map[exit] === true ? 'open' : map[exit] === false ? 'closed' : 'unsaid')
  return { http: say('http'), ipfs: say('ipfs'), network: say('network') }
}
