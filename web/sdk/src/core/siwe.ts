/**
 * Sign-in messages: Sign-In with Ethereum (EIP-4361), and the same text for Solana accounts and bare keys (CAIP-122).
 * Read here as strictly as the node does; the text stays the one thing that signatures are checked over.
 *
 * @module
 */

import {
  type Account,
  AccountError,
  checksummed,
  fromBase58,
  type PublicKey,
  parseAccount,
  parseAddress,
  parseDid,
} from './account.js'
import { utf8Length } from './bytes.js'
import { LoginError } from './errors.js'
import { SIGN_IN_MESSAGE_BYTES_MAX } from './limits.js'
import type { Scheme } from './op.js'
import { parseDate } from './rfc3339.js'
import { isAuthority, isPchars, isScheme, isStatement, isUri } from './uri.js'

/** The fields of a sign-in message, as they stand in its text. Dates are milliseconds since the Unix epoch. */
export interface SignInMessage {
  readonly namespace: 'Ethereum' | 'Solana' | 'did:key'
  readonly scheme?: string
  readonly domain: string
  readonly address: string
  readonly statement?: string
  readonly uri: string
  readonly chainId?: string
  readonly nonce: string
  readonly issuedAt: number
  readonly expirationTime?: number
  readonly notBefore?: number
  readonly requestId?: string
  readonly resources: readonly string[]
}

const ASKS = ' wants you to sign in with your '
const NAMESPACES = ['Ethereum', 'Solana', 'did:key'] as const
const SOLANA_CLUSTERS: Record<string, string> = {
  mainnet: '5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp',
  testnet: '4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z',
  devnet: 'EtWTRABZaYq6iMfeYKouRu166VU2xqa1',
}

/**
 * Reads a sign-in message.
 *
 * @throws LoginError names the first rule that is broken.
 */
export function parseMessage(text: string): SignInMessage {
  const bytes = utf8Length(text)
  if (bytes > SIGN_IN_MESSAGE_BYTES_MAX) {
    throw new LoginError(`a sign-in message of ${bytes} bytes is over the limit of ${SIGN_IN_MESSAGE_BYTES_MAX}`)
  }
  return new Lines(text.split('\n')).message()
}

/** The account that a signature of `scheme` under a message speaks for; `undefined` where the two do not go together. */
export function accountOfMessage(message: SignInMessage, scheme: Scheme): Account | undefined {
  const { namespace, address, chainId } = message
  const text = (() => {
    if (namespace === 'Ethereum' && scheme === 'eip191') return address
    if (namespace === 'Ethereum' && scheme === 'eip1271') return `eip155:${chainId}:${address}`
    if (namespace === 'Solana' && scheme === 'ed25519') return `solana:${clusterOf(chainId ?? '')}:${address}`
    if (namespace === 'did:key' && signsWith(parseDid(address).curve, scheme)) return address
    return undefined
  })()
  try {
    return text === undefined ? undefined : parseAccount(text)
  } catch (error) {
    if (error instanceof AccountError) return undefined
    throw error
  }
}

class Lines {
  private at = 0

  constructor(private readonly lines: readonly string[]) {}

  message(): SignInMessage {
    const first = this.firstLine()
    const { namespace } = first
    const address = this.next() ?? ''
    check('account address', address, isAddress(namespace, address))
    this.blank('after the account')
    const statement = this.statement(namespace)
    const uri = this.field('URI', isUri)
    this.field('Version', (version) => version === '1')
    const chainId =
      namespace === 'did:key' ? undefined : this.field('Chain ID', namespace === 'Solana' ? isCluster : isDigits)
    const nonce = this.field('Nonce', (nonce) => /^[A-Za-z0-9]{8,}$/.test(nonce))
    const issuedAt = this.time('Issued At')
    if (issuedAt === undefined) throw missing('Issued At')
    const expirationTime = this.time('Expiration Time')
    const notBefore = this.time('Not Before')
    const requestId = this.optional('Request ID')
    if (requestId !== undefined) check('Request ID', requestId, isPchars(requestId))
    const resources = this.resources()
    if (this.at < this.lines.length) throw new LoginError('fields stand in the order of EIP-4361, each once')
    return {
      ...first,
      address,
      ...(statement !== undefined && { statement }),
      uri,
      ...(chainId !== undefined && { chainId }),
      nonce,
      issuedAt,
      ...(expirationTime !== undefined && { expirationTime }),
      ...(notBefore !== undefined && { notBefore }),
      ...(requestId !== undefined && { requestId }),
      resources,
    }
  }

  private firstLine(): Pick<SignInMessage, 'namespace' | 'scheme' | 'domain'> {
    const line = this.next() ?? ''
    const asks = line.indexOf(ASKS)
    const rest = line.slice(asks + ASKS.length)
    const namespace = NAMESPACES.find((name) => rest === `${name} account:`)
    if (asks < 0 || !namespace) {
      throw new LoginError('the first line must read `<domain> wants you to sign in with your Ethereum account:`')
    }
    const origin = line.slice(0, asks)
    const at = origin.indexOf('://')
    const [scheme, domain] = at < 0 ? [undefined, origin] : [origin.slice(0, at), origin.slice(at + 3)]
    if (scheme !== undefined) check('scheme', scheme, isScheme(scheme))
    check('domain', domain, domain !== '' && isAuthority(domain))
    return { namespace, ...(scheme !== undefined && { scheme }), domain }
  }

  /** A line and an empty one where there is a statement, a further empty line where there is none (not for Solana). */
  private statement(namespace: SignInMessage['namespace']): string | undefined {
    const [line, after] = [this.lines[this.at] ?? '', this.lines[this.at + 1]]
    if (namespace === 'Solana') {
      if (line.startsWith('URI: ') && after !== '') return undefined
    } else if (line === '' && after !== '') {
      this.next()
      return undefined
    }
    this.next()
    check('statement', line, isStatement(line))
    this.blank('after the statement')
    return line
  }

  private resources(): string[] {
    const resources: string[] = []
    if (this.lines[this.at] !== 'Resources:') return resources
    this.next()
    for (let line = this.next(); line !== undefined; line = this.next()) {
      if (!line.startsWith('- ')) throw new LoginError('fields stand in the order of EIP-4361, each once')
      check('resource', line.slice(2), isUri(line.slice(2)))
      resources.push(line.slice(2))
    }
    return resources
  }

  private time(name: string): number | undefined {
    const value = this.optional(name)
    const ms = value === undefined ? undefined : parseDate(value)
    if (value !== undefined) check(name, value, ms !== undefined)
    return ms
  }

  private field(name: string, valid: (value: string) => boolean): string {
    const value = this.optional(name)
    if (value === undefined) throw missing(name)
    check(name, value, valid(value))
    return value
  }

  private optional(name: string): string | undefined {
    const line = this.lines[this.at]
    if (!line?.startsWith(`${name}: `)) return undefined
    this.next()
    return line.slice(name.length + 2)
  }

  private blank(place: string): void {
    if (this.next() !== '') throw new LoginError(`an empty line must stand ${place}`)
  }

  private next(): string | undefined {
    const line = this.lines[this.at]
    if (this.at < this.lines.length) this.at++
    return line
  }
}

function isAddress(namespace: SignInMessage['namespace'], address: string): boolean {
  try {
    switch (namespace) {
      case 'Ethereum':
        return checksummed(parseAddress(address)) === address
      case 'Solana':
        return address.length <= 44 && fromBase58(address)?.length === 32
      case 'did:key':
        return parseDid(address) !== undefined
    }
  } catch {
    return false
  }
}

function isDigits(text: string): boolean {
  return /^[0-9]+$/.test(text)
}

function isCluster(text: string): boolean {
  return /^[A-Za-z0-9]{1,32}$/.test(text.startsWith('solana:') ? text.slice(7) : text)
}

function clusterOf(chainId: string): string {
  const name = chainId.startsWith('solana:') ? chainId.slice(7) : chainId
  return SOLANA_CLUSTERS[name] ?? name
}

function check(field: string, value: string, valid: boolean): void {
  if (!valid) throw new LoginError(`${JSON.stringify(value.slice(0, 64))} is not a valid ${field}`)
}

function missing(name: string): LoginError {
  return new LoginError(`the line \`${name}\` is missing or out of order`)
}

/** A P-256 key may be a browser's. */
function signsWith(curve: PublicKey['curve'], scheme: Scheme): boolean {
  return scheme === curve || (scheme === 'webauthn' && curve === 'p256')
}
