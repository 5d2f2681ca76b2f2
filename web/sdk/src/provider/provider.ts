/**
 * A core as an EIP-1193 provider, for viem, ethers, wagmi and whatever else speaks to wallets. Reads go to the chains that
 * the node's operator named; what is to be signed waits for the core's signers.
 *
 * @module
 */

import type { CoreId } from '../core/ids.js'
import { NetworkError, ProblemError } from '../errors.js'
import type { Session } from '../session/session.js'

/** An error as EIP-1193 has it. */
export class ProviderRpcError extends Error {
  override readonly name = 'ProviderRpcError'

  constructor(
    /** 4001: the signers declined. 4100: not for this session. 4900: the node cannot be reached. 4902: no such chain. */
    readonly code: number,
    message: string,
    readonly data?: unknown,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** What the provider tells of. */
export interface ProviderEvents {
  connect: { chainId: string }
  disconnect: ProviderRpcError
  chainChanged: string
  accountsChanged: string[]
}

type Listener<E extends keyof ProviderEvents> = (event: ProviderEvents[E]) => void

/** Which core, and which chain. */
export interface ProviderOptions {
  /** The core; the account's private one when absent. */
  readonly core?: CoreId | string
  /** The chain to begin with (EIP-155 id); the node's first when absent. */
  readonly chainId?: number
}

/** See the module. */
export class CoreProvider {
  private readonly listeners = new Map<keyof ProviderEvents, Set<Listener<keyof ProviderEvents>>>()
  private chainId: number | undefined
  private connected = false
  private nextId = 1

  constructor(
    private readonly session: Session,
    private readonly options: ProviderOptions = {},
  ) {
    this.chainId = options.chainId
  }

  /**
   * Asks what wallets are asked. What is to be signed is answered once a signer has answered, or after ten minutes.
   *
   * @throws ProviderRpcError
   */
  async request(args: { readonly method: string; readonly params?: readonly unknown[] | object }): Promise<unknown> {
    const { method, params = [] } = args
    if (method === 'wallet_switchEthereumChain') return this.switchChain(params)
    const result = await this.call(method, params, this.chainId)
    if (!this.connected) {
      this.connected = true
      if (method === 'eth_chainId') this.emit('connect', { chainId: String(result) })
    }
    return result
  }

  on<E extends keyof ProviderEvents>(event: E, listener: Listener<E>): this {
    const all = this.listeners.get(event) ?? new Set()
    this.listeners.set(event, all.add(listener as Listener<keyof ProviderEvents>))
    return this
  }

  removeListener<E extends keyof ProviderEvents>(event: E, listener: Listener<E>): this {
    this.listeners.get(event)?.delete(listener as Listener<keyof ProviderEvents>)
    return this
  }

  /** Another chain is another address at the node; here it is a switch, as wallets have it. */
  private async switchChain(params: readonly unknown[] | object): Promise<null> {
    const [wanted] = Array.isArray(params) ? (params as { chainId?: unknown }[]) : []
    const chainId = Number(wanted?.chainId)
    if (!Number.isSafeInteger(chainId) || chainId <= 0) {
      throw new ProviderRpcError(-32602, 'name a chain: `[{"chainId": "0x1"}]`')
    }
    const known = (await this.call('kb_wallet', [], undefined)) as { chains?: number[] }
    if (!known.chains?.includes(chainId)) {
      throw new ProviderRpcError(4902, `The node asks nobody about chain ${chainId}; its operator names upstreams.`)
    }
    if (this.chainId !== chainId) {
      this.chainId = chainId
      this.emit('chainChanged', `0x${chainId.toString(16)}`)
    }
    return null
  }

  private async call(
    method: string,
    params: readonly unknown[] | object,
    chainId: number | undefined,
  ): Promise<unknown> {
    const core = this.options.core ?? this.session.core
    const query = chainId === undefined ? '' : `?chain=${chainId}`
    const body = JSON.stringify({ jsonrpc: '2.0', id: this.nextId++, method, params })
    let response: Response
    try {
      const headers = { 'content-type': 'application/json' }
      response = await this.session.client.send(`/@${core}/-/rpc${query}`, { method: 'POST', headers, body })
    } catch (error) {
      throw this.lost(error)
    }
    const answer = (await response.json()) as {
      result?: unknown
      error?: { code: number; message: string; data?: unknown }
    }
    if (answer.error) throw new ProviderRpcError(answer.error.code, answer.error.message, answer.error.data)
    return answer.result
  }

  private lost(cause: unknown): unknown {
    if (cause instanceof ProblemError) return new ProviderRpcError(4100, cause.message, undefined, { cause })
    if (!(cause instanceof NetworkError)) return cause
    const error = new ProviderRpcError(4900, cause.message, undefined, { cause })
    if (this.connected) {
      this.connected = false
      this.emit('disconnect', error)
    }
    return error
  }

  private emit<E extends keyof ProviderEvents>(event: E, detail: ProviderEvents[E]): void {
    for (const listener of this.listeners.get(event) ?? []) (listener as Listener<E>)(detail)
  }
}

/** How a provider introduces itself (EIP-6963). */
export interface ProviderInfo {
  /** An id of this announcement, new for each page (UUID version 4). */
  readonly uuid: string
  readonly name: string
  /** A picture, as a data URI. */
  readonly icon: string
  /** A domain in reverse, such as `org.example.app`. */
  readonly rdns: string
}

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 96 96'%3E%3Crect width='96' height='96' rx='22' fill='%23151515'/%3E%3Ccircle cx='48' cy='48' r='22' fill='none' stroke='%23fff' stroke-width='10'/%3E%3C/svg%3E"

/**
 * Announces a core to the page's programs as a wallet to choose (EIP-6963), now and whenever they ask. Gives what ends
 * that.
 */
export function announceProvider(
  provider: CoreProvider,
  info: Partial<ProviderInfo> = {},
  target: EventTarget = window,
): () => void {
  const detail = Object.freeze({
    info: Object.freeze({
      uuid: crypto.randomUUID(),
      name: 'Kubelt core',
      icon: ICON,
      rdns: 'org.kubelt.core',
      ...info,
    }),
    provider,
  })
  const announce = () => target.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }))
  target.addEventListener('eip6963:requestProvider', announce)
  announce()
  return () => target.removeEventListener('eip6963:requestProvider', announce)
}
