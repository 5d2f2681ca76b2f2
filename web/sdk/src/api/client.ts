/**
 * A typed client of a node's HTTP API. Types are made of `spec/openapi.json`.
 *
 * @module
 */

import { NetworkError, ProblemError, QuotaError, RateLimitedError, SessionExpiredError } from '../errors.js'
import type { components, paths } from './schema.gen.js'

/** Types of the API, by name. */
export type Schemas = components['schemas']

type Method = 'get' | 'put' | 'post' | 'delete'
type JsonOf<R> = R extends { content: { 'application/json': infer T } } ? T : undefined
type Good<O> = O extends { responses: infer R }
  ? R extends { 200: infer T }
    ? JsonOf<T>
    : R extends { 201: infer T }
      ? JsonOf<T>
      : undefined
  : never
type BodyOf<O> = O extends { requestBody: { content: { 'application/json': infer T } } } ? T : undefined

/** Paths of the API that have a method. */
export type PathWith<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? P : never
}[keyof paths]

/** What a method at a path answers. */
export type Answer<M extends Method, P extends PathWith<M>> = Good<paths[P][M]>

/** What a call of the API is given. */
export interface CallOptions<B> {
  /** Values for the `{…}` in the path. */
  readonly path?: Record<string, string>
  readonly query?: Record<string, string | number | undefined>
  readonly body?: B
  readonly signal?: AbortSignal
}

/** What a client is made of. */
export interface ClientOptions {
  /** `fetch`, where it is not the global one. */
  readonly fetch?: typeof fetch
  /** A bearer token. */
  readonly token?: string
}

/** Speaks with one node. */
export class Client {
  /** The node's address, without a slash at its end. */
  readonly url: string
  private readonly fetcher: typeof fetch
  private readonly token: string | undefined

  /**
   * @param url where the node is, such as `http://127.0.0.1:4747`
   */
  constructor(url: string | URL, options: ClientOptions = {}) {
    this.url = new URL(url).href.replace(/\/+$/, '')
    this.fetcher = options.fetch ?? globalThis.fetch.bind(globalThis)
    this.token = options.token
  }

  /** The same client with a session's token, or with none. */
  as(token: string | undefined): Client {
    return new Client(this.url, { fetch: this.fetcher, ...(token !== undefined && { token }) })
  }

  /** Whether it asks as somebody. */
  get isSignedIn(): boolean {
    return this.token !== undefined
  }

  /**
   * Calls the API and gives the answer's JSON.
   *
   * @throws NetworkError, ProblemError.
   */
  async call<M extends Method, P extends PathWith<M>>(
    method: M,
    path: P,
    options: CallOptions<BodyOf<paths[P][M]>> = {},
  ): Promise<Answer<M, P>> {
    const { body, signal } = options
    const response = await this.send(address(path, options), {
      method: method.toUpperCase(),
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      ...(signal && { signal }),
    })
    if (response.status === 204) return undefined as Answer<M, P>
    return (await response.json()) as Answer<M, P>
  }

  /**
   * Asks for a path from `/`, and gives the answer where it is a good one.
   *
   * @throws NetworkError, ProblemError.
   */
  async send(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    if (this.token !== undefined) headers.set('authorization', `Bearer ${this.token}`)
    let response: Response
    try {
      response = await this.fetcher(this.url + path, { ...init, headers })
    } catch (error) {
      if (init.signal?.aborted) throw error
      throw new NetworkError(this.url, { cause: error })
    }
    if (response.ok) return response
    throw await this.problem(response)
  }

  private async problem(response: Response): Promise<ProblemError> {
    const said = (await response.json().catch(() => ({}))) as Partial<Schemas['Problem']>
    const code = said.type?.replace('urn:kubelt:problem:', '') ?? 'unknown'
    const detail = said.detail ?? `the node answered ${response.status}`
    const instance = said.instance ?? undefined
    if (code === 'unauthorized' && this.isSignedIn) return new SessionExpiredError(instance)
    if (code === 'quota-exceeded') return new QuotaError(detail, instance)
    if (code === 'rate-limited') {
      return new RateLimitedError(detail, Number(response.headers.get('retry-after') ?? 5), instance)
    }
    return new ProblemError(code, response.status, detail, instance)
  }
}

function address(path: string, options: CallOptions<unknown>): string {
  const filled = path.replace(/\{(\w+)\}/g, (_all, name: string) => {
    const value = options.path?.[name]
    if (value === undefined) throw new TypeError(`\`${path}\` needs \`${name}\``)
    return value.split('/').map(encodeURIComponent).join('/')
  })
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== undefined) query.set(name, String(value))
  }
  return query.size === 0 ? filled : `${filled}?${query}`
}
