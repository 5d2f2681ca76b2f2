/**
 * The grammar of RFC 3986 as far as sign-in messages need it.
 *
 * @module
 */

const UNRESERVED = 'A-Za-z0-9\\-._~'
const SUB_DELIM = "!$&'()*+,;="
const PCT = '%[0-9A-Fa-f]{2}'
const PCHARS = new RegExp(`^(?:[${UNRESERVED}${SUB_DELIM}:@]|${PCT})*$`)
const PATH = new RegExp(`^(?:[${UNRESERVED}${SUB_DELIM}:@/]|${PCT})*$`)
const QUERY = new RegExp(`^(?:[${UNRESERVED}${SUB_DELIM}:@/?]|${PCT})*$`)
const USERINFO = new RegExp(`^(?:[${UNRESERVED}${SUB_DELIM}:]|${PCT})*$`)
const HOST = new RegExp(`^(?:[${UNRESERVED}${SUB_DELIM}]|${PCT})*$`)
const FUTURE = new RegExp(`^[vV][0-9A-Fa-f]+\\.[${UNRESERVED}${SUB_DELIM}:]+$`)
const STATEMENT = new RegExp(`^[${UNRESERVED}${SUB_DELIM}:/?#[\\]@ ]*$`)

/** Whether text is a URI: a scheme, and no characters that it has no room for. */
export function isUri(text: string): boolean {
  const colon = text.indexOf(':')
  if (colon < 0 || !isScheme(text.slice(0, colon))) return false
  const [rest, fragment] = cut(text.slice(colon + 1), '#')
  const [hierPart, query] = cut(rest, '?')
  return isHierPart(hierPart) && QUERY.test(query) && QUERY.test(fragment)
}

/** Whether text is the scheme of a URI. */
export function isScheme(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+\-.]*$/.test(text)
}

/** Whether text is an authority: `[ userinfo "@" ] host [ ":" port ]`; the host may be empty. */
export function isAuthority(text: string): boolean {
  const at = text.lastIndexOf('@')
  if (!USERINFO.test(at < 0 ? '' : text.slice(0, at))) return false
  const hostPort = text.slice(at + 1)
  if (hostPort.startsWith('[')) {
    const [literal, port] = cut(hostPort.slice(1), ']')
    return hostPort.includes(']') && isIpLiteral(literal) && isPort(port)
  }
  const colon = hostPort.indexOf(':')
  const [host, port] = colon < 0 ? [hostPort, ''] : [hostPort.slice(0, colon), hostPort.slice(colon)]
  return HOST.test(host) && isPort(port)
}

/** Whether text is `*pchar`. */
export function isPchars(text: string): boolean {
  return PCHARS.test(text)
}

/** Whether every character may stand in the statement of a sign-in message. */
export function isStatement(text: string): boolean {
  return STATEMENT.test(text)
}

function isPort(text: string): boolean {
  return text === '' || /^:[0-9]*$/.test(text)
}

function isHierPart(text: string): boolean {
  if (!text.startsWith('//')) return PATH.test(text)
  const slash = text.indexOf('/', 2)
  const end = slash < 0 ? text.length : slash
  return isAuthority(text.slice(2, end)) && PATH.test(text.slice(end))
}

function isIpLiteral(text: string): boolean {
  return FUTURE.test(text) || isIpv6(text)
}

function isIpv6(text: string): boolean {
  if (!/^[0-9A-Fa-f:.]+$/.test(text)) return false
  const halves = text.split('::')
  if (halves.length > 2) return false
  const words = halves.map((half) => (half === '' ? 0 : wordsIn(half)))
  const total = words.reduce((sum, n) => sum + n, 0)
  const last = halves.at(-1) ?? ''
  const dotsBefore = halves.length === 2 && (halves[0] as string).includes('.')
  if (
    words.some(Number.isNaN) ||
    dotsBefore ||
    last
      .slice(0, -1)
      .split(':')
      .slice(0, -1)
      .some((part) => part.includes('.'))
  ) {
    return false
  }
  return halves.length === 2 ? total <= 7 : total === 8
}

/** How many 16-bit words stand in a part of an IPv6 address; NaN where it is none. */
function wordsIn(half: string): number {
  const parts = half.split(':')
  return parts.reduce((sum, part, i) => {
    if (/^[0-9A-Fa-f]{1,4}$/.test(part)) return sum + 1
    return i === parts.length - 1 && isIpv4(part) ? sum + 2 : Number.NaN
  }, 0)
}

function isIpv4(text: string): boolean {
  const parts = text.split('.')
  return parts.length === 4 && parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)
}

function cut(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
