/**
 * Text that somebody else chose, made safe to stand in a sentence (crates/kubelt-core/src/words/quote.rs).
 *
 * @module
 */

/** Characters beyond ASCII that are escaped: they are not seen, look like spaces or quotes, or turn text around. */
const ESCAPED: readonly (readonly [number, number])[] = [
  [0x80, 0xa0],
  [0xad, 0xad],
  [0xb4, 0xb4],
  [0x2b0, 0x36f],
  [0x5f3, 0x5f4],
  [0x600, 0x605],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x1680, 0x1680],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x1ab0, 0x1aff],
  [0x1dc0, 0x1dff],
  [0x1fbd, 0x1fbf],
  [0x2000, 0x206f],
  [0x20d0, 0x20ff],
  [0x2700, 0x27bf],
  [0x2e00, 0x2e7f],
  [0x3000, 0x3020],
  [0x3164, 0x3164],
  [0xd800, 0xf8ff],
  [0xfe00, 0xfe2f],
  [0xfeff, 0xff07],
  [0xffa0, 0xffff],
  [0x110bd, 0x110cd],
  [0x13430, 0x13455],
  [0x1bca0, 0x1bca3],
  [0x1d165, 0x1d1ad],
  [0xe0000, 0xffffffff],
]

/** Text in double quotes, with a note where it is not plain ASCII. */
export function quoted(text: string): string {
  let ascii = true
  let out = '"'
  for (const character of text) {
    const code = character.codePointAt(0) as number
    if (code > 0x7f) ascii = false
    if (character === '"' || character === '\\') out += `\\${character}`
    else out += isPlain(code) ? character : `\\u{${code.toString(16)}}`
  }
  return `${out}"${ascii ? '' : ' (not plain ASCII)'}`
}

/** Whether a character may stand in a sentence as it is. */
export function isPlain(code: number): boolean {
  if (code < 0x80) return code >= 0x20 && code < 0x7f
  return !ESCAPED.some(([from, to]) => from <= code && code <= to)
}
