/**
 * Paths of the map: `content/site/index.html`.
 *
 * @module
 */

import { utf8Length } from './bytes.js'
import { PATH_BYTES_MAX, PATH_SEGMENTS_MAX, SEGMENT_BYTES_MAX } from './limits.js'

declare const path: unique symbol
/** A checked path: segments between `/`, none of them empty, `.` or `..`, or with control characters or backslashes. */
export type MapPath = string & { readonly [path]: true }

/** Text that is no path of the map. */
export class PathError extends Error {
  override readonly name = 'PathError'
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const REFUSED = /[\u0000-\u001f\u007f-\u009f\\]/

/**
 * Checks a path.
 *
 * @throws PathError says which rule it breaks.
 */
export function parsePath(input: string): MapPath {
  const bytes = utf8Length(input)
  if (bytes === 0) throw new PathError('a path must not be empty')
  if (bytes > PATH_BYTES_MAX) throw new PathError(`a path of ${bytes} bytes is over the limit of ${PATH_BYTES_MAX}`)
  const segments = input.split('/')
  if (segments.length > PATH_SEGMENTS_MAX) {
    throw new PathError(`a path of ${segments.length} segments is over the limit of ${PATH_SEGMENTS_MAX}`)
  }
  const bad = segments.find((segment) => !isSegment(segment))
  if (bad !== undefined) {
    throw new PathError(
      `path segment ${JSON.stringify(bad.slice(0, 64))} is not allowed: no empty names, \`.\`, \`..\`, control characters or backslashes, ${SEGMENT_BYTES_MAX} bytes at most`,
    )
  }
  return input as MapPath
}

/** Whether text is a path. */
export function isPath(input: string): input is MapPath {
  try {
    parsePath(input)
    return true
  } catch {
    return false
  }
}

/** What follows `prefix/` in a path that lies below `prefix`. */
export function below(path: string, prefix: string): string | undefined {
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length + 1) : undefined
}

function isSegment(segment: string): boolean {
  const named = segment !== '' && segment !== '.' && segment !== '..'
  return named && segment.isWellFormed() && utf8Length(segment) <= SEGMENT_BYTES_MAX && !REFUSED.test(segment)
}
