/**
 * Abilities: what a grant or a session may do, and where: `put content/site/**`.
 *
 * @module
 */

import { compareText } from './bytes.js'
import type { Value } from './dag-cbor.js'
import { Fields, text } from './fields.js'
import { below, isPath, PathError, parsePath } from './path.js'

/** What may be done, in the order of the format. */
export const VERBS = [
  'read',
  'put',
  'grant',
  'revoke',
  'rotate',
  'logout',
  'vote',
  'seal',
  'call',
  'replicate',
] as const

/** What may be done. */
export type Verb = (typeof VERBS)[number]

/** A verb and the paths where it may be used. */
export interface Ability {
  readonly verb: Verb
  /** `**` (all), `content/site/**` (that path and all below it), or one path. */
  readonly paths: string
}

/** Whether text is a verb. */
export function isVerb(input: string): input is Verb {
  return (VERBS as readonly string[]).includes(input)
}

/** Whether a session may ever do this; the others are signed by the account itself. */
export function sessionMay(verb: Verb): boolean {
  return verb !== 'grant' && verb !== 'revoke' && verb !== 'seal' && verb !== 'rotate'
}

/**
 * Reads an ability such as `put content/**`.
 *
 * @throws PathError when it is none.
 */
export function parseAbility(input: string): Ability {
  const at = input.indexOf(' ')
  const [verb, paths] = [input.slice(0, at), input.slice(at + 1)]
  if (at < 0 || !isVerb(verb)) {
    throw new PathError(
      `\`${input.slice(0, 128)}\` is not an ability; write a verb, a space and a path pattern such as \`put content/**\``,
    )
  }
  return { verb, paths: parsePattern(paths) }
}

/**
 * Checks a path pattern.
 *
 * @throws PathError when it is none.
 */
export function parsePattern(input: string): string {
  const path = input.endsWith('/**') ? input.slice(0, -3) : input
  if (input === '**') return input
  if (path.includes('*'))
    throw new PathError(`\`${path.slice(0, 64)}\` has a star; only \`**\` at the end stands for all`)
  parsePath(path)
  return input
}

/** An ability as text. */
export function abilityText(ability: Ability): string {
  return `${ability.verb} ${ability.paths}`
}

/** The order of the format: by verb, then all, below a path, one path. */
export function compareAbilities(a: Ability, b: Ability): number {
  const verbs = VERBS.indexOf(a.verb) - VERBS.indexOf(b.verb)
  const kinds = patternKind(a.paths) - patternKind(b.paths)
  return verbs || kinds || compareText(patternPath(a.paths), patternPath(b.paths))
}

/** Sorts abilities and drops those that stand twice. */
export function sortAbilities(abilities: readonly Ability[]): Ability[] {
  const sorted = [...abilities].sort(compareAbilities)
  return sorted.filter((ability, i) => i === 0 || compareAbilities(sorted[i - 1] as Ability, ability) !== 0)
}

/** Whether an ability allows a verb at a path; acts without a path need one over all paths. */
export function allows(ability: Ability, verb: Verb, path?: string): boolean {
  return ability.verb === verb && (path === undefined ? ability.paths === '**' : matches(ability.paths, path))
}

/** Whether an ability allows all that another allows. */
export function covers(ability: Ability, other: Ability): boolean {
  if (ability.verb !== other.verb) return false
  const [own, wanted] = [patternKind(ability.paths), patternKind(other.paths)]
  if (own === 0) return true
  return wanted !== 0 && !(own === 2 && wanted === 1) && matches(ability.paths, patternPath(other.paths))
}

/** Reads an ability from a block. */
export function readAbility(value: Value): Ability | undefined {
  const fields = new Fields(value, 'ability')
  const verb = fields.required('verb', (value) => (typeof value === 'string' && isVerb(value) ? value : undefined))
  const paths = fields.required('paths', text)
  fields.end()
  const path = patternPath(paths)
  return paths === '**' || (isPath(path) && !path.includes('*')) ? { verb, paths } : undefined
}

function matches(pattern: string, path: string): boolean {
  const own = patternPath(pattern)
  return pattern === '**' || own === path || (patternKind(pattern) === 1 && below(path, own) !== undefined)
}

function patternKind(pattern: string): 0 | 1 | 2 {
  if (pattern === '**') return 0
  return pattern.endsWith('/**') ? 1 : 2
}

function patternPath(pattern: string): string {
  return pattern.endsWith('/**') ? pattern.slice(0, -3) : pattern
}
