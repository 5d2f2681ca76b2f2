import {
  AccountSwitchedError,
  Client,
  indexedDbStorage,
  KubeltError,
  passkeySigner,
  Session,
  type Signer,
  type Storage,
  walletSigner,
} from '@kubelt/sdk'
import type { Wallet } from './announcement.js'
import { wallets } from './wallets.svelte.js'

/** What the console keeps beside what the SDK does. */
const TABLE = 'console'
const LAST = 'last'
/** Instead of a wallet's name, where a passkey signs. */
export const PASSKEY = 'passkey'

/** Who was signed in here last; kept after the session is over, so that the next one is a click. */
export interface LastAccount {
  readonly account: string
  /** The wallet's name in reverse; {@link PASSKEY} for none. */
  readonly wallet: string
  /** When the session ends, or ended, in milliseconds. */
  readonly expiresMs: number
}

/** Who is signed in. */
class AccountState {
  readonly storage: Storage = indexedDbStorage()
  readonly client = new Client(location.origin)
  /** `undefined` until this browser's storage was looked at. */
  #session = $state.raw<Session | null | undefined>(undefined)
  last = $state.raw<LastAccount | undefined>(undefined)
  /** The session is over, and its cores are still shown from this device. */
  isOver = $state(false)

  get session(): Session | undefined {
    return this.#session ?? undefined
  }

  get isRestored(): boolean {
    return this.#session !== undefined
  }

  /** Takes up the session that this browser keeps. */
  async restore(): Promise<void> {
    this.last = (await this.storage.get(TABLE, LAST)) as LastAccount | undefined
    this.#session = (await Session.restore(this.client, this.storage)) ?? null
  }

  /**
   * Signs in with a wallet, which is asked once: for the private core, and for the shared cores that this device knows of.
   *
   * @param more ids of cores that the session is to be for, too
   * @throws what `Session.signIn` throws
   */
  async signIn(wallet: Wallet, more: readonly string[] = []): Promise<Session> {
    return this.signInAs(await walletSigner(wallet.provider), wallet.rdns, more)
  }

  /** As {@link AccountState.signIn}, with a signer at hand. */
  async signInAs(signer: Signer, wallet = this.last?.wallet ?? '', more: readonly string[] = []): Promise<Session> {
    const current = this.session
    const covered = current?.account === signer.account ? current.cores : []
    const known = [...new Set([...(await this.knownCores(signer.account)), ...covered, ...more])]
    const cores = known.map((core) => ({ core }))
    const session =
      current?.account === signer.account && !this.isOver
        ? await current.renew(signer, { cores })
        : await Session.signIn(this.client, signer, { storage: this.storage, cores })
    await this.begin(session, wallet)
    return session
  }

  /** Takes up a session that was opened just now. */
  async begin(session: Session, wallet = this.last?.wallet ?? ''): Promise<void> {
    this.last = { account: session.account, wallet, expiresMs: session.expires.getTime() }
    await this.storage.write(TABLE, [{ put: LAST, value: this.last }])
    this.isOver = false
    this.#session = session
  }

  /**
   * The wallet that who is signed in used last.
   *
   * @throws KubeltError where it is not here.
   */
  wallet(): Wallet {
    const [only, ...others] = wallets.all
    const wallet = wallets.find(this.last?.wallet ?? '') ?? (others.length === 0 ? only : undefined)
    if (!wallet) throw walletMissing()
    return wallet
  }

  /**
   * The wallet of who is signed in, at their account; or their passkey.
   *
   * @throws AccountSwitchedError where it is at another one; KubeltError where it is not here.
   */
  async signer(): Promise<Signer> {
    const expected = this.session?.account
    if (expected && this.last?.wallet === PASSKEY) return passkeySigner(expected)
    const signer = await walletSigner(this.wallet().provider)
    if (expected && signer.account !== expected) throw new AccountSwitchedError(expected, signer.account)
    return signer
  }

  /** Ends the session. What is on this device stays, and what was not sent waits for the next sign-in. */
  async signOut(): Promise<void> {
    const session = this.session
    this.#session = null
    this.isOver = false
    await session?.signOut()
  }

  /** Shared cores that the account's sessions on this device were for, or were found in its private core. */
  async knownCores(account: string): Promise<string[]> {
    const kept = await this.storage.get(TABLE, `cores/${account}`)
    return Array.isArray(kept) ? kept.filter((core) => typeof core === 'string') : []
  }

  async rememberCores(account: string, cores: readonly string[]): Promise<void> {
    await this.storage.write(TABLE, [{ put: `cores/${account}`, value: [...cores] }])
  }
}

function walletMissing(): KubeltError {
  const hint = 'Turn it on in your browser, or sign in again with another one.'
  return new KubeltError('no-wallet', 'The wallet that you signed in with is not in this browser now.', hint)
}

export const account = new AccountState()
