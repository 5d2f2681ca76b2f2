/** What was opened, as people see it. */

const TEXT_BYTES_MAX = 256 * 1024

/** The text that bytes are; `undefined` where they are none, or more than anybody reads. */
export function shownAs(plain: Uint8Array): string | undefined {
  if (plain.length > TEXT_BYTES_MAX) return undefined
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(plain)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    return /[\u0000-\u0008\u000e-\u001f]/.test(text) ? undefined : text
  } catch {
    return undefined
  }
}

/** Hands bytes to the browser as a file; never as a page, whatever they say. */
export function save(plain: Uint8Array<ArrayBuffer>, path: string, mediaType: string): void {
  const url = URL.createObjectURL(
    new Blob([plain], { type: mediaType.startsWith('text/html') ? 'text/plain' : mediaType }),
  )
  const link = document.createElement('a')
  link.href = url
  link.download = path.split('/').at(-1) ?? 'file'
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

/** The id of a key, as `deviceKeyId` gives it: its thumbprint in base64url. */
export function idOf(thumbprint: Uint8Array): string {
  return btoa(String.fromCharCode(...thumbprint))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '')
}
