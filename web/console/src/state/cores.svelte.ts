import { type NamedCore as KnownCore, listCores, type Session } from '@kubelt/sdk'
import { untrack } from 'svelte'
import { account } from './account.svelte.js'
import { OpenCore } from './open-core.svelte.js'

/** A core that the account's private core names. */
export interface NamedCore {
  readonly name: string
  readonly core: string
  /** Whether the session may do anything in it; one more signature opens it otherwise. */
  readonly isCovered: boolean
}

/** The cores of who is signed in, and those that are open. */
class Cores {
  readonly #opened = new Map<string, Promise<OpenCore>>()
  #of: Session | undefined
  /** The core of which a page is shown. */
  shown = $state.raw<OpenCore>()
  /** What the node knows of the named cores: titles and roles. */
  known = $state.raw<ReadonlyMap<string, KnownCore>>(new Map())

  /**
   * Opens a core, once for each session.
   *
   * @param ref `me` or an id
   * @throws what `Core.open` throws
   */
  open(session: Session, ref: string): Promise<OpenCore> {
    // A page may ask while it is drawn, before anything else has noticed the new session.
    if (this.#of !== session) untrack(() => this.close())
    this.#of = session
    const key = ref === session.core ? 'me' : ref
    const found = this.#opened.get(key) ?? this.#begin(session, key)
    this.#opened.set(key, found)
    return found
  }

  /** Closes all that are open; what was not sent waits on this device. */
  close(): void {
    for (const opening of this.#opened.values()) opening.then((core) => core.close()).catch(() => {})
    this.#opened.clear()
    this.#of = undefined
    this.shown = undefined
  }

  /** The shared cores that a private core names. */
  named(own: OpenCore): NamedCore[] {
    const { session } = own.core
    return namedIn(own).map(({ name, core }) => ({
      name,
      core,
      isCovered: core === session.core || session.abilities(core as typeof session.core).length > 0,
    }))
  }

  /** Asks the node what it knows of the named cores; without it, they are shown by their names. */
  async look(own: OpenCore): Promise<void> {
    this.known = new Map((await listCores(own.core)).map((one) => [one.core, one]))
  }

  /** Notes which cores the account has, for its next sign-in here. */
  async remember(own: OpenCore): Promise<void> {
    const ids = namedIn(own).map(({ core }) => core)
    await account.rememberCores(own.core.session.account, ids)
  }

  async #begin(session: Session, ref: string): Promise<OpenCore> {
    try {
      const own = ref === 'me' ? undefined : await this.open(session, 'me')
      const name = own ? namedIn(own).find(({ core }) => core === ref)?.name : 'Private core'
      return await OpenCore.open(session, ref, name ?? ref)
    } catch (error) {
      this.#opened.delete(ref)
      throw error
    }
  }
}

function namedIn(own: OpenCore): { name: string; core: string }[] {
  return own.core.entries('cores').flatMap(([path, value]) => {
    const core = linkIn(value)
    return core === undefined ? [] : [{ name: path.slice('cores/'.length), core }]
  })
}

/** The core that a value of `cores/<name>` names. */
function linkIn(value: unknown): string | undefined {
  const core = (value as { core?: unknown } | null)?.core
  return typeof core === 'object' && core !== null ? String(core) : undefined
}

export const cores = new Cores()
