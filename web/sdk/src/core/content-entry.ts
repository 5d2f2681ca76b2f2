/**
 * The value of `content/<path>`: what is published there, and to whom.
 *
 * @module
 */

import { CID } from 'multiformats/cid'
import { utf8Length } from './bytes.js'
import { isMap, type Value, type ValueMap } from './dag-cbor.js'
import { MEDIA_TYPE_BYTES_MAX } from './limits.js'

/** Who may read what stands at a path. */
export type Visibility = 'private' | 'members' | 'public'

/** What is published at a path. */
export interface ContentEntry {
  /** The root of the content's blocks. */
  readonly cid: CID
  /** Bytes of the content; for a directory, of all files below it. */
  readonly size: number
  readonly mediaType: string
  readonly visibility: Visibility
  /** Whether blocks of the DAG may be missing. */
  readonly partial?: true
  readonly encryption?: ValueMap
  readonly metadata?: ValueMap
}

const FIELDS = ['cid', 'size', 'media_type', 'visibility', 'partial', 'encryption', 'metadata']
const TOKEN = "[A-Za-z0-9!#$%&'*+\\-.^_`|~]+"
const MEDIA_TYPE = new RegExp(`^${TOKEN}/${TOKEN} *(;[\\x20-\\x7e]*)?$`)

/** Reads the value of a path of content; `undefined` where it is none. */
export function readContentEntry(value: Value): ContentEntry | undefined {
  if (!isMap(value) || Object.keys(value).some((name) => !FIELDS.includes(name))) return undefined
  const { cid, size, media_type: mediaType, visibility, partial, encryption, metadata } = value
  const link = typeof cid === 'object' ? CID.asCID(cid) : null
  const sized = typeof size === 'number' && Number.isSafeInteger(size) && size >= 0
  if (!link || !sized || typeof mediaType !== 'string' || !isMediaType(mediaType)) return undefined
  if (visibility !== 'private' && visibility !== 'members' && visibility !== 'public') return undefined
  if (partial !== undefined && partial !== true) return undefined
  if (encryption !== undefined && !isMap(encryption)) return undefined
  if (metadata !== undefined && (!isMap(metadata) || Object.keys(metadata).length === 0)) return undefined
  return {
    cid: link,
    size,
    mediaType,
    visibility,
    ...(partial && { partial }),
    ...(encryption && { encryption }),
    ...(metadata && { metadata }),
  }
}

/** The value to put. */
export function contentValue(entry: ContentEntry): ValueMap {
  const { cid, size, mediaType, visibility, partial, encryption, metadata } = entry
  return {
    cid,
    size,
    media_type: mediaType,
    visibility,
    ...(partial && { partial }),
    ...(encryption && { encryption }),
    ...(metadata && Object.keys(metadata).length > 0 && { metadata }),
  }
}

/** Whether text is `type/subtype` with optional parameters. */
export function isMediaType(text: string): boolean {
  return utf8Length(text) <= MEDIA_TYPE_BYTES_MAX && MEDIA_TYPE.test(text)
}
