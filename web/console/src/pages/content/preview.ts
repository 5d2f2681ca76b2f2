/** What can be shown of a file, by its media type. */

import type { IconName } from '../../ui/icons.js'

export type PreviewKind = 'image' | 'video' | 'audio' | 'json' | 'text' | 'none'

/** Larger ones are loaded when the person asks for it. */
export const LOADED_UNASKED_BYTES_MAX = 16_000_000
/** How much of a text is shown. */
export const TEXT_BYTES_MAX = 256 * 1024

const TEXTS = ['application/javascript', 'application/xml', 'application/toml', 'application/yaml', 'application/x-sh']

export function previewKind(mediaType: string): PreviewKind {
  const type = essence(mediaType)
  const [family] = type.split('/')
  if (family === 'image' || family === 'video' || family === 'audio') return family
  if (type === 'application/json' || type.endsWith('+json')) return 'json'
  if (family === 'text' || TEXTS.includes(type) || type.endsWith('+xml')) return 'text'
  return 'none'
}

/** `text/plain; charset=utf-8` without its parameters. */
export function essence(mediaType: string): string {
  return (mediaType.split(';')[0] ?? '').trim().toLowerCase()
}

export function iconOf(mediaType: string): IconName {
  const kind = previewKind(mediaType)
  return kind === 'json' ? 'text' : kind === 'none' ? 'file' : kind
}

/** JSON with line breaks; the text as it is where it is none. */
export function tidyJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
