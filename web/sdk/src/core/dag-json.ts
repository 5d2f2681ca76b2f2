/**
 * Values as the API writes them: dag-json, in which links are `{"/": "bafy…"}` and bytes `{"/": {"bytes": "…"}}`.
 *
 * @module
 */

import { CID } from 'multiformats/cid'
import { fromBase64 } from './bytes.js'
import type { Value, ValueMap } from './dag-cbor.js'
import { DecodeError } from './errors.js'

/**
 * The value that parsed dag-json stands for.
 *
 * @throws DecodeError where it stands for none.
 */
export function fromDagJson(json: unknown): Value {
  if (Array.isArray(json)) return json.map(fromDagJson)
  if (typeof json !== 'object' || json === null) return json as Value
  const fields = json as Record<string, unknown>
  if ('/' in fields) return fromSlash(fields)
  const entries = Object.entries(fields).map(([name, field]) => [name, fromDagJson(field)] as const)
  return Object.fromEntries(entries) as ValueMap
}

function fromSlash(fields: Record<string, unknown>): Value {
  const slash = fields['/'] as { bytes?: unknown } | string | null
  const isAlone = Object.keys(fields).length === 1
  try {
    if (isAlone && typeof slash === 'string') return CID.parse(slash)
  } catch {}
  const bytes = typeof slash === 'object' && typeof slash?.bytes === 'string' ? fromBase64(slash.bytes) : undefined
  if (isAlone && bytes) return bytes
  throw new DecodeError('a map with the field `/` is neither a link nor bytes')
}
