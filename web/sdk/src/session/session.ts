/**
 * Signing in: one wallet prompt opens a session, whose key is made and kept here.
 *
 * @module
 */

import type { Client, Schemas } from '../api/client.js'
import { type Ability, abilityText } from '../core/ability.js'
import { type Account, didOf } from '../core/account.js'
import { bodyIdOf, encodeBody } from '../core/body.js'
import { blockOf, bytesOf, toBase64, toHex } from '../core/bytes.js'
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
}

/** What is kept of a session. */
interface KeptSession {
  readonly url: string
  readonly token: string
  readonly login: Login
  readonly core: string
  readonly key: SessionKeyPair | { curve: SessionKeyPair['curve']; publicKey: Uint8Array; pkcs8: Uint8Array }
}

const TABLE = 'sessions'

/** Somebody who is signed in at a node. */
export class Session {
  private constructor(
    /** The node, asked as this person. */
    readonly client: Client,
    /** What the wallet signed. */
    readonly login: Login,
    /** The id of the account's private core. */
    readonly core: CoreId,
    private readonly key: SessionKey,
    private readonly checked: CheckedLogin,
    readonly storage: Storage,
  ) {}

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
    return new Session(client.as(kept.token), kept.login, parseId(kept.core), key, login, storage)
  }

  /**
   * Signs in: the signer is asked once. The message is checked before: it must be for this node, this account and the
   * key that was made here, and hand on nothing that was not asked for.
   *
   * @throws SignatureRejectedError, AccountSwitchedError, ForeignMessageError, NetworkError, ProblemError.
   */
  static async signIn(client: Client, signer: Signer, options: SignInOptions = {}): Promise<Session> {
    const storage = options.storage ?? memoryStorage()
    const key = await SessionKey.generate(!storage.keepsKeys)
    const anonymous = client.as(undefined)
    const challenge = await anonymous.call('post', '/-/session/challenge', { body: wish(signer.account, key, options) })
    const scheme = schemeOf(signer.account)
    checkMessage(readLogin({ message: challenge.message, scheme }), client, signer.account, key)
    checkAbilities(readLogin({ message: challenge.message, scheme }), options)
    const login = newLogin(challenge.message, scheme, await signer.sign(challenge.message))
    const { login: checked } = checkLogin(login)
    const begun = await anonymous.call('post', '/-/session', {
      body: { message: login.message, signature: `0x${toHex(login.signature)}` },
    })
    const kept: KeptSession = {
      url: client.url,
      token: begun.token,
      login,
      core: begun.core,
      key: await keep(key, storage),
    }
    await storage.write(TABLE, [{ put: client.url, value: kept }])
    return new Session(client.as(begun.token), login, parseId(begun.core), key, checked, storage)
  }
}

function wish(account: Account, key: SessionKey, options: SignInOptions): Schemas['ChallengeRequest'] {
  const { abilities, cores, lifeSeconds } = options
  return {
    account,
    session_key: key.did,
    ...(abilities && { abilities: [...abilities] }),
    ...(cores && {
      cores: cores.map(({ core, abilities }) => ({ core, ...(abilities && { abilities: [...abilities] }) })),
    }),
    ...(lifeSeconds !== undefined && { life_seconds: lifeSeconds }),
  }
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
