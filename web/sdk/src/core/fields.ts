/**
 * Reading the fields of a block: each of its type, and none that is not known.
 *
 * @module
 */

import { CID } from 'multiformats/cid'
import { isMap, type Value, type ValueMap } from './dag-cbor.js'
import { DecodeError } from './errors.js'
import { type BodyId, type CoreId, isId, type LoginId, type OpId } from './ids.js'

/** The fields of one map. {@link Fields.end} refuses those that nobody asked for. */
export class Fields {
  private readonly fields: ValueMap
  private readonly asked = new Set<string>()

  constructor(
    value: Value | undefined,
    private readonly what: string,
  ) {
    if (!isMap(value)) throw new DecodeError(`a ${what} is a map`)
    this.fields = value
  }

  /** A field that must be there. */
  required<T>(name: string, read: (value: Value) => T | undefined): T {
    const value = this.optional(name, read)
    if (value === undefined) throw new DecodeError(`a ${this.what} lacks \`${name}\``)
    return value
  }

  /** A field that may be missing; null is not missing. */
  optional<T>(name: string, read: (value: Value) => T | undefined): T | undefined {
    this.asked.add(name)
    if (!Object.hasOwn(this.fields, name)) return undefined
    const value = read(this.fields[name] as Value)
    if (value === undefined) throw new DecodeError(`\`${name}\` of a ${this.what} is of another kind`)
    return value
  }

  /** A list that is left out where it is empty. */
  list<T>(name: string, read: (value: Value) => T | undefined): T[] {
    const items = this.optional(name, listOf(read)) ?? []
    if (items.length === 0 && Object.hasOwn(this.fields, name)) throw new DecodeError(`\`${name}\` is empty`)
    return items
  }

  /** Refuses fields of other names. */
  end(): void {
    const other = Object.keys(this.fields).find((name) => !this.asked.has(name))
    if (other !== undefined) throw new DecodeError(`a ${this.what} has no field \`${other.slice(0, 64)}\``)
  }
}

/** Text. */
export function text(value: Value): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** True or false. */
export function bool(value: Value): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined
}

/** An integer of 64 bits without a sign. */
export function u64(value: Value): bigint | undefined {
  if (typeof value === 'bigint') return value >= 0n ? value : undefined
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? BigInt(value) : undefined
}

/** An integer that a `number` can count. */
export function count(value: Value): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined
}

/** Bytes, of a certain number where one is given. */
export function bytes(length?: number): (value: Value) => Uint8Array | undefined {
  return (value) =>
    value instanceof Uint8Array && (length === undefined || value.length === length) ? value : undefined
}

/** A link to a block of the log. */
export function id<T extends CoreId | OpId | BodyId | LoginId>(value: Value): T | undefined {
  const cid = typeof value === 'object' ? CID.asCID(value) : null
  return cid && isId(cid) ? (cid.toString() as T) : undefined
}

/** A list. */
export function listOf<T>(read: (value: Value) => T | undefined): (value: Value) => T[] | undefined {
  return (value) => {
    if (!Array.isArray(value)) return undefined
    const items = value.map(read)
    return items.every((item) => item !== undefined) ? items : undefined
  }
}

/** Whether each item comes after the one before it. */
export function isSorted<T>(items: readonly T[], compare: (a: T, b: T) => number): boolean {
  return items.every((item, i) => i === 0 || compare(items[i - 1] as T, item) < 0)
}
