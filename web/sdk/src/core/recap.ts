/**
 * ReCap (ERC-5573): what a sign-in message hands to the session, as canonical JSON in its last resource and in words at
 * the end of its statement. crates/kubelt-core/src/recap.rs says how abilities of a core are written.
 *
 * @module
 */

import { type Ability, compareAbilities, isVerb, parsePattern } from './ability.js'
import { bytesOf, compareText, fromBase64Url, fromHex, textOf } from './bytes.js'
import { LoginError } from './errors.js'
import { type CoreId, parseId } from './ids.js'
import { isUri } from './uri.js'

const URN = 'urn:recap:'
const PREAMBLE = 'I further authorize the stated URI to perform the following actions on my behalf:'
const SESSION_TARGET = 'kubelt:session'
const HELD_BY_NODE = 'key/held-by-node'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** Abilities by target and name, each with its qualifications. */
type Targets = Record<string, Record<string, Json[]>>

/** What a ReCap hands on. */
export interface Recap {
  /** The ReCap in words. */
  readonly statement: string
  /** Abilities by core, sorted; those of other systems are left out. */
  readonly abilities: ReadonlyMap<CoreId, readonly Ability[]>
  /** Whether the node, not the client, holds the session's key. */
  readonly heldByNode: boolean
}

/** Whether a resource is a ReCap, well-formed or not. */
export function isRecap(resource: string): boolean {
  return resource.startsWith(URN)
}

/**
 * Reads a `urn:recap:` resource, which must be in canonical form.
 *
 * @throws LoginError when it is none, or says what this system does not know.
 */
export function parseRecap(resource: string): Recap {
  const targets = readTargets(resource)
  return { statement: statementOf(targets), abilities: abilitiesOf(targets), heldByNode: isHeldByNode(targets) }
}

function readTargets(resource: string): Targets {
  const bytes = fromBase64Url(resource.slice(URN.length))
  const text = bytes && textOf(bytes)
  const refused = () => new LoginError('a ReCap is `urn:recap:` and the base64url of the JSON of ERC-5573')
  if (text === undefined) throw refused()
  let details: Json
  try {
    details = JSON.parse(text) as Json
  } catch {
    throw refused()
  }
  const { att, prf, ...others } = isObject(details) ? details : {}
  const proofs = prf === undefined || (Array.isArray(prf) && prf.every((proof) => typeof proof === 'string'))
  if (!isTargets(att) || !proofs || Object.keys(others).length > 0) throw refused()
  // Re-written and compared: the JSON has one spelling.
  const canonical = `{"att":${write(att)}${prf === undefined ? '' : `,"prf":${write(prf)}`}}`
  if (canonical !== text || !isWhole(att)) {
    throw new LoginError('the JSON of a ReCap is in canonical form: keys sorted, no spaces, whole numbers')
  }
  checkTargets(att)
  return att
}

function isTargets(att: Json | undefined): att is Targets {
  if (!isObject(att)) return false
  const lists = Object.values(att).flatMap((abilities) => (isObject(abilities) ? Object.values(abilities) : [null]))
  return lists.every((notes) => Array.isArray(notes) && notes.every(isObject))
}

function checkTargets(targets: Targets): void {
  if (Object.keys(targets).length === 0) throw new LoginError('a ReCap hands on at least one ability at each target')
  for (const [target, abilities] of Object.entries(targets)) {
    const names = Object.keys(abilities)
    if (!isUri(target)) throw new LoginError(`\`${target.slice(0, 128)}\` is not a URI`)
    if (names.length === 0) throw new LoginError('a ReCap hands on at least one ability at each target')
    const odd = names.find((name) => !/^[A-Za-z0-9.*_+-]+\/[A-Za-z0-9.*_+-]+$/.test(name))
    if (odd !== undefined) throw new LoginError(`\`${odd.slice(0, 128)}\` is not \`namespace/name\``)
  }
}

function statementOf(targets: Targets): string {
  let statement = PREAMBLE
  let number = 0
  for (const target of sortedKeys(targets)) {
    let before = ''
    for (const ability of sortedKeys(targets[target] ?? {})) {
      const slash = ability.indexOf('/')
      const [space, name] = [ability.slice(0, slash), ability.slice(slash + 1)]
      if (space === before) {
        statement += `, '${name}'`
        continue
      }
      if (before !== '') statement += ` for '${target}'.`
      number++
      before = space
      statement += ` (${number}) '${space}': '${name}'`
    }
    statement += ` for '${target}'.`
  }
  return statement
}

function abilitiesOf(targets: Targets): Map<CoreId, Ability[]> {
  const cores = new Map<CoreId, Ability[]>()
  for (const target of sortedKeys(targets)) {
    if (!/^kubelt:/i.test(target)) continue
    const abilities = targets[target] ?? {}
    for (const [ability, notes] of Object.entries(abilities)) {
      const unqualified =
        notes.length === 1 && isObject(notes[0] ?? null) && Object.keys(notes[0] as object).length === 0
      if (!unqualified) throw new LoginError(`\`${ability}\` at \`${target}\` carries qualifications; write \`[{}]\``)
    }
    const names = Object.keys(abilities)
    if (target === SESSION_TARGET) {
      const odd = names.find((name) => name !== HELD_BY_NODE)
      if (odd !== undefined) throw new LoginError(`\`${odd}\` means nothing at \`${target}\``)
      continue
    }
    const [core, paths] = readTarget(target)
    for (const name of names) {
      const verb = name.startsWith('core/') ? name.slice(5) : ''
      if (!isVerb(verb)) throw new LoginError(`\`${name}\` is not an ability of a core; write \`core/<verb>\``)
      cores.set(core, [...(cores.get(core) ?? []), { verb, paths }])
    }
  }
  for (const abilities of cores.values()) abilities.sort(compareAbilities)
  return cores
}

function isHeldByNode(targets: Targets): boolean {
  return Object.hasOwn(targets, SESSION_TARGET) && Object.hasOwn(targets[SESSION_TARGET] ?? {}, HELD_BY_NODE)
}

/** The core and the paths of a target; only the one way of writing them is taken. */
function readTarget(text: string): [CoreId, string] {
  const found = /^kubelt:\/\/([^/]*)\/(.*)$/s.exec(text)
  const paths = found && unescapePath(found[2] ?? '')
  try {
    if (found && paths !== undefined && paths !== null) {
      const core = parseId<CoreId>(found[1] ?? '')
      parsePattern(paths)
      if (targetOf(core, paths) === text) return [core, paths]
    }
  } catch {}
  throw new LoginError(`\`${text.slice(0, 128)}\` is not a target; write \`kubelt://<core id>/<path pattern>\``)
}

function targetOf(core: CoreId, paths: string): string {
  const [path, rest] = paths === '**' ? ['', '**'] : paths.endsWith('/**') ? [paths.slice(0, -3), '/**'] : [paths, '']
  const escaped = Array.from(bytesOf(path), (byte) => {
    const character = String.fromCharCode(byte)
    return /[A-Za-z0-9\-._/]/.test(character) ? character : `~${byte.toString(16).toUpperCase().padStart(2, '0')}`
  })
  return `kubelt://${core}/${escaped.join('')}${rest}`
}

function unescapePath(text: string): string | undefined {
  const bytes: number[] = []
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== '~') {
      bytes.push(...bytesOf(text[i] as string))
      continue
    }
    const byte = fromHex(text.slice(i + 1, i + 3))
    if (byte?.length !== 1) return undefined
    bytes.push(byte[0] as number)
    i += 2
  }
  return textOf(Uint8Array.from(bytes))
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function sortedKeys(map: object): string[] {
  return Object.keys(map).sort(compareText)
}

function write(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`
  if (!isObject(value)) return JSON.stringify(value)
  return `{${sortedKeys(value)
    .map((key) => `${JSON.stringify(key)}:${write(value[key] as Json)}`)
    .join(',')}}`
}

function isWhole(value: Json): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value)
  if (Array.isArray(value)) return value.every(isWhole)
  return !isObject(value) || Object.values(value).every(isWhole)
}
