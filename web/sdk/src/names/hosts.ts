/**
 * Host names: what leads to a core by the DNS. A core binds a host in its map, and the DNS says that it may; it takes both.
 *
 * @module
 */

import type { Schemas } from '../api/client.js'
import type { OpId } from '../core/ids.js'
import { KubeltError } from '../errors.js'
import type { Core } from '../local/core.js'
import type { CoreAt } from '../members/place.js'

/** A host name, what the DNS says of it, and records of which any one proves it. */
export type HostName = Schemas['HostNameView']

/**
 * The host names that a core binds, in order, as its own people know them.
 *
 * @throws NetworkError, ProblemError.
 */
export async function listHosts({ session, id }: CoreAt): Promise<HostName[]> {
  return (await session.client.call('get', '/@{core}/-/names', { path: { core: id } })).names
}

/** The host names that the log on this device binds. */
export function hostsOf(core: Core): string[] {
  const names = core.entries('names').map(([path]) => path.slice('names/'.length))
  // A name without a dot is none of the DNS.
  return names.filter((name) => name.includes('.'))
}

/**
 * Binds a host name to a core. It leads there once the DNS says so, too: `checkHost` tells by which records.
 *
 * @throws KubeltError `bad-host`; as {@link Core.put}.
 * @example
 * ```ts
 * import { bindHost, checkHost, Client, Core, keySigner, Session } from '@kubelt/sdk'
 *
 * const client = new Client('http://127.0.0.1:4747')
 * const core = await Core.open(await Session.signIn(client, keySigner(process.env.WALLET_SECRET ?? '')))
 * await bindHost(core, 'Widgets.example')
 * await core.sync()
 * const { host, bound, leads_here, records } = await checkHost(core, 'widgets.example')
 * console.log(host, bound, leads_here, records.map(({ name, kind, value }) => `${name} ${kind} ${value}`))
 * ```
 */
export async function bindHost(core: Core, host: string): Promise<OpId> {
  return core.put(`names/${hostOf(host)}`, {})
}

/** Takes a host name from a core. */
export async function unbindHost(core: Core, host: string): Promise<OpId> {
  return core.put(`names/${hostOf(host)}`, null)
}

/**
 * Asks the DNS about a host name now, and says what is missing.
 *
 * @throws KubeltError `bad-host`; NetworkError, ProblemError.
 */
export async function checkHost({ session, id }: CoreAt, host: string): Promise<HostName> {
  const path = { core: id, host: hostOf(host) }
  return session.client.call('get', '/@{core}/-/names/{host}/check', { path })
}

/**
 * A host name in its one spelling: lower case, with `xn--` for what is not ASCII.
 *
 * @throws KubeltError `bad-host`
 */
export function hostOf(text: string): string {
  const written = text.trim().replace(/\.$/, '')
  const isBare = /^[^\s/:?#@[\]\\]+\.[^\s/:?#@[\]\\]+$/.test(written)
  const host = isBare && URL.canParse(`http://${written}`) ? new URL(`http://${written}`).hostname : ''
  // What ends in a number is an address.
  if (isHostName(host) && !/(^|\.)[0-9]+$/.test(host)) return host
  const hint = 'Write it without a port or a path, as in `widgets.example`.'
  throw new KubeltError('bad-host', `\`${text.slice(0, 64)}\` is no host name.`, hint)
}

/** Endings that are no part of the DNS, so they prove nothing; nodes refuse them. */
const RESERVED = /\.(eth|invalid|localhost|onion)$/
const HOST_CHARS_MAX = 245

function isHostName(host: string): boolean {
  const labels = host.split('.')
  const isSpelled = labels.every((label) => /^(?!-)[a-z0-9-]{1,63}$/.test(label) && !label.endsWith('-'))
  return isSpelled && host.length <= HOST_CHARS_MAX && !RESERVED.test(host)
}
