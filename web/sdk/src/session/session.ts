/**
 * Signing in: one wallet prompt opens a session, whose key is made and kept here.
 *
 * @module
 */

import type { Client, Schemas } from '../api/client.js'
import { type Ability, abilityText } from '../core/ability.js'
import { type Account, didOf, type Principal, parseAccount } from '../core/account.js'
import { bodyIdOf, encodeBody } from '../core/body.js'
import { blockOf, bytesOf, compareText, toBase64, toHex } from '../core/bytes.js'
import { coreIdOf, type Genesis } from '../core/genesis.js'
import { nextHlc } from '../core/hlc.js'
import { asRoot, type CoreId, compareIds, type LoginId, type OpId, parseId } from '../core/ids.js'
import { NONCE_BYTES, PREV_MAX } from '../core/limits.js'
import { type CheckedLogin, checkLogin, encodeLogin, type Login, newLogin, readLogin } from '../core/login.js'
import { type Body, decodeSigned, encodeSigned, type Header, type Signed } from '../core/op.js'
import { schemeOf, signingText } from '../core/signature.js'
import { ForeignMessageError, SessionExpiredError } from '../errors.js'
import { memoryStorage, type Storage } from '../local/storage.js'
import { SessionKey, type SessionKeyPair } from './key.js'
import type { Signer } from './signer.js'

/** What a session is to be. */
export interface SignInOptions {
  /** What it may do in the account's private core, such as `put content/**`; all that a session may when absent. */
  readonly abilities?: readonly string[]
  /** Shared cores it is for. */
  readonly cores?: readonly { readonly core: string; readonly abilities?: readonly string[] }[]
  /** How long it is to live, in seconds; 7 days when absent. */
  readonly lifeSeconds?: number
  /** Where it is kept; in memory when absent. */
  readonly storage?: Storage
  /**
   * The id of a core to sign in through: the session is at home in the account's own core there, which begins with it, and
   * reaches nothing that does not lie in that core.
   */
  readonly within?: string
}

/** What a core asks of whoever signs in through it. It has nothing of that before the account grants it. */
export interface Asks {
  /** Who asks: the root of that core. */
  readonly to: Principal
  /** For what, such as `read content/shared/**`. */
  readonly can: readonly string[]
  /** The same in plain words. */
  readonly may: readonly string[]
}

/** What is kept of a session. */
interface KeptSession {
  readonly url: string
  readonly token: string
  readonly login: Login
  readonly within?: CoreId
  readonly asks?: Asks
  readonly key: SessionKeyPair | { curve: SessionKeyPair['curve']; publicKey: Uint8Array; pkcs8: Uint8Array }
}

const TABLE = 'sessions'

/** Somebody who is signed in at a node. */
export class Session {
  /** The id of the core that the session is at home in. */
  readonly core: CoreId

  private constructor(
    /** The node, asked as this person. */
    readonly client: Client,
    /** What the wallet signed. */
    readonly login: Login,
    /** How the core began that the session is at home in: the private one, or the account's own in the core it went through. */
    readonly genesis: Genesis,
    /** What the core that it went through asks for. */
    readonly asks: Asks | undefined,
    private readonly key: SessionKey,
    private readonly checked: CheckedLogin,
    readonly storage: Storage,
  ) {
    this.core = coreIdOf(genesis)
  }

  /** The core that it went through. */
  get within(): CoreId | undefined {
    return this.genesis.kind === 'user' ? this.genesis.parent : undefined
  }

  /** The session's id: that of its sign-in. */
  get id(): LoginId {
    return this.checked.id
  }

  get account(): Account {
    return this.checked.account
  }

  /** When it ends. */
  get expires(): Date {
    return new Date(this.checked.expiresMs)
  }

  /** The other cores that it covers. */
  get cores(): readonly CoreId[] {
    return [...this.checked.abilities.keys()].filter((core) => core !== this.core)
  }

  /** What it was handed in a core. */
  abilities(core: CoreId): readonly Ability[] {
    return this.checked.abilities.get(core) ?? []
  }

  /**
   * Signs an operation whose header names this session.
   *
   * @throws SessionExpiredError when its time is over.
   */
  async sign(header: Header, body: Body): Promise<Signed> {
    if (Date.now() >= this.checked.expiresMs) throw new SessionExpiredError()
    const signature = await this.key.sign(bytesOf(signingText(header, body)))
    return { header, scheme: this.checked.session.curve, signature }
  }

  /**
   * Ends the session: forgets its key here, and writes its end into the private core, signed by the session itself.
   *
   * @throws NetworkError where the node is not reached; the key is gone then all the same.
   */
  async signOut(): Promise<void> {
    await this.storage.write(TABLE, [{ delete: this.client.url }])
    await this.end()
  }

  private async end(): Promise<void> {
    const path = { core: this.core }
    const [{ heads }, { ops }] = await Promise.all([
      this.client.call('get', '/@{core}/-/heads', { path }),
      this.client.call('get', '/@{core}/-/ops', { path, query: { order: 'desc', limit: 1 } }),
    ])
    const latest = ops[0] && decodeSigned(blockOf(ops[0].signed)).header.at
    const body: Body = {
      salt: crypto.getRandomValues(new Uint8Array(NONCE_BYTES)),
      act: { verb: 'logout', login: this.id },
    }
    const header: Header = {
      core: this.core,
      prev: heads
        .map((head) => parseId<OpId>(head))
        .sort(compareIds)
        .slice(0, PREV_MAX),
      by: this.account,
      login: this.id,
      auth: asRoot(this.core),
      at: nextHlc(latest, Date.now()) ?? 0n,
      votes: [],
      verb: 'logout',
      body: bodyIdOf(body),
    }
    await this.post(this.core, [{ signed: await this.sign(header, body), body }])
  }

  /**
   * Posts signed operations.
   *
   * @throws NetworkError, ProblemError.
   */
  async post(core: CoreId, ops: readonly { signed: Signed; body: Body }[]): Promise<Schemas['OpReceipt'][]> {
    const entries = ops.map(({ signed, body }) => ({
      signed: toBase64(encodeSigned(signed)),
      body: toBase64(encodeBody(body)),
      ...(signed.header.login === this.id && { login: toBase64(encodeLogin(this.login)) }),
    }))
    const posted = await this.client.call('post', '/@{core}/-/ops', { path: { core }, body: { ops: entries } })
    return posted.ops
  }

  /** The session that was kept for a node; `undefined` where there is none, or its time is over. */
  static async restore(client: Client, storage: Storage): Promise<Session | undefined> {
    const kept = (await storage.get(TABLE, client.url)) as KeptSession | undefined
    if (!kept) return undefined
    const { login } = checkLogin(kept.login)
    if (Date.now() >= login.expiresMs) return undefined
    const key =
      'pkcs8' in kept.key
        ? await SessionKey.import(kept.key.curve, kept.key.publicKey, kept.key.pkcs8.slice())
        : new SessionKey(kept.key)
    const genesis = homeOf(login.account, kept.within)
    return new Session(client.as(kept.token), kept.login, genesis, kept.asks, key, login, storage)
  }

  /**
   * Signs in anew as the same account, to the cores that are named: what was made or joined since is covered then. This
   * session ends. What it has not sent yet is sent by the new one.
   *
   * @throws as {@link Session.signIn}; this session goes on then.
   * @example
   * ```ts
   * import { Client, Core, createCore, keySigner, Session } from '@kubelt/sdk'
   *
   * const signer = keySigner(process.env.WALLET_SECRET ?? '')
   * const session = await Session.signIn(new Client('http://127.0.0.1:4747'), signer)
   * const { id } = await createCore(await Core.open(session), signer, { name: 'acme' })
   * const next = await session.renew(signer, { cores: [{ core: id, abilities: ['put content/**', 'read content/**'] }] })
   * console.log(next.cores, next.abilities(id))
   * ```
   */
  async renew(signer: Signer, options: Omit<SignInOptions, 'storage' | 'within'> = {}): Promise<Session> {
    const { client, storage, within } = this
    const next = await Session.signIn(client, signer, { ...options, storage, ...(within && { within }) })
    // It is over in seven days at the latest.
    await this.end().catch(() => {})
    return next
  }

  /**
   * Signs in: the signer is asked once. The message is checked before: it must be for this node, this account and the
   * key that was made here, and hand on nothing that was not asked for.
   *
   * @throws SignatureRejectedError, AccountSwitchedError, ForeignMessageError, NetworkError, ProblemError.
   * @example
   * ```ts
   * import { Client, indexedDbStorage, Session, walletSigner } from '@kubelt/sdk'
   *
   * const client = new Client('http://127.0.0.1:4747')
   * const session = await Session.signIn(client, await walletSigner(window.ethereum), { storage: indexedDbStorage() })
   * console.log(session.account, session.expires)
   * ```
   */
  static async signIn(client: Client, signer: Signer, options: SignInOptions = {}): Promise<Session> {
    const storage = options.storage ?? memoryStorage()
    const key = await SessionKey.generate(!storage.keepsKeys)
    const anonymous = client.as(undefined)
    const challenge = await challengeFor(client, wish(signer.account, key, options))
    const scheme = signer.scheme ?? schemeOf(signer.account)
    checkMessage(readLogin({ message: challenge.message, scheme }), client, signer.account, key)
    checkAbilities(readLogin({ message: challenge.message, scheme }), options)
    const login = newLogin(challenge.message, scheme, await signer.sign(challenge.message))
    const { login: checked } = checkLogin(login)
    const begun = await anonymous.call('post', '/-/session', {
      body: { message: login.message, signature: `0x${toHex(login.signature)}` },
    })
    const within = options.within === undefined ? undefined : parseId<CoreId>(options.within)
    const genesis = homeOf(checked.account, within)
    if (begun.core !== coreIdOf(genesis)) throw new ForeignMessageError(`in to the core ${begun.core}`)
    const asks = begun.asks ? readAsks(begun.asks) : undefined
    const kept: KeptSession = {
      url: client.url,
      token: begun.token,
      login,
      ...(within && { within }),
      ...(asks && { asks }),
      key: await keep(key, storage),
    }
    await storage.write(TABLE, [{ put: client.url, value: kept }])
    return new Session(client.as(begun.token), login, genesis, asks, key, checked, storage)
  }
}

/** A node tells what an account may in a core to nobody but that account: then the message says no more than that. */
async function challengeFor(client: Client, body: Schemas['ChallengeRequest']): Promise<Schemas['Challenge']> {
  const ask = (as: Client) => as.call('post', '/-/session/challenge', { body })
  if (!client.isSignedIn) return ask(client)
  return ask(client).catch((error: unknown) => {
    if (error instanceof SessionExpiredError) return ask(client.as(undefined))
    throw error
  })
}

function wish(account: Account, key: SessionKey, options: SignInOptions): Schemas['ChallengeRequest'] {
  const { abilities, cores, lifeSeconds, within } = options
  return {
    account,
    session_key: key.did,
    ...(abilities && { abilities: [...abilities] }),
    ...(cores && {
      cores: cores.map(({ core, abilities }) => ({ core, ...(abilities && { abilities: [...abilities] }) })),
    }),
    ...(lifeSeconds !== undefined && { life_seconds: lifeSeconds }),
    ...(within !== undefined && { within }),
  }
}

/** Where somebody is at home who signs in; it follows from who that is, whatever a node says. */
function homeOf(root: Account, within: CoreId | undefined): Genesis {
  return within ? { kind: 'user', root, parent: within } : { kind: 'private', root }
}

function readAsks({ to, can, may }: NonNullable<Schemas['AsksView']>): Asks {
  const of = to.of.map(parseAccount).sort(compareText)
  const [one] = of
  return { to: one !== undefined && of.length === 1 ? one : { m: to.m, of }, can, may }
}

function checkMessage(login: CheckedLogin, client: Client, account: Account, key: SessionKey): void {
  const host = new URL(client.url).host
  if (login.domain !== host) throw new ForeignMessageError(`in to \`${login.domain}\` instead of \`${host}\``)
  if (didOf(login.session) !== key.did) throw new ForeignMessageError('for a key that is not the one made here')
  if (login.account !== account) throw new ForeignMessageError(`for ${login.account} instead of ${account}`)
}

/** Whoever asked for less must not have been handed more. */
function checkAbilities(login: CheckedLogin, options: SignInOptions): void {
  const own = options.abilities
  const others = new Map((options.cores ?? []).map(({ core, abilities }) => [core, abilities]))
  for (const [core, handed] of login.abilities) {
    const asked = others.has(core) ? others.get(core) : own
    const more = asked && handed.map(abilityText).find((ability) => !asked.includes(ability))
    if (more !== undefined) throw new ForeignMessageError(`more than was asked for: \`${more}\``)
  }
  if (login.heldByNode) throw new ForeignMessageError('for a session whose key the node holds')
}

async function keep(key: SessionKey, storage: Storage): Promise<KeptSession['key']> {
  const { curve, publicKey } = key.pair
  return storage.keepsKeys ? key.pair : { curve, publicKey, pkcs8: await key.export() }
}
