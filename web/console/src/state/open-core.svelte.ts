import {
  Core,
  NetworkError,
  RemovedFromCoreError,
  type Session,
  SessionExpiredError,
  type SyncReport,
} from '@kubelt/sdk'
import { createSubscriber } from 'svelte/reactivity'
import { account } from './account.svelte.js'

/** How a core on this device stands to the node. */
export type Standing = 'checking' | 'current' | 'offline' | 'over' | 'removed' | 'troubled'

const LOOK_EVERY_MS = 4_000

/**
 * A core that is open here. What it says is read anew wherever it is used when the core changes; it is kept up to date
 * until it is closed.
 */
export class OpenCore {
  standing = $state<Standing>('checking')
  /** What went wrong last, until something goes well. */
  trouble = $state.raw<unknown>()
  unsent = $state(0)
  readonly #core: Core
  readonly #changed: () => void
  readonly #stop: (() => void)[] = []
  #whenSent: (() => void)[] = []

  private constructor(
    core: Core,
    /** As the console's addresses have it: `me`, or the id. */
    readonly ref: string,
    /** What its owner calls it. */
    readonly name: string,
  ) {
    this.#core = core
    this.#changed = createSubscriber((update) => core.onChange(update))
    this.unsent = core.unsent
    this.#stop.push(core.onChange(() => this.#count()))
    this.#stop.push(
      core.live({
        everyMs: LOOK_EVERY_MS,
        onSync: (report) => this.#went(report),
        onError: (error) => this.#failed(error),
      }),
    )
    const retry = () => void this.sync().catch(() => {})
    const lost = () => this.#failed(new NetworkError(account.client.url))
    addEventListener('online', retry)
    addEventListener('offline', lost)
    this.#stop.push(
      () => removeEventListener('online', retry),
      () => removeEventListener('offline', lost),
    )
  }

  /** @throws what `Core.open` throws */
  static async open(session: Session, ref: string, name: string): Promise<OpenCore> {
    const core = await Core.open(session, ref === 'me' ? {} : { core: ref })
    return new OpenCore(core, ref, name)
  }

  /** The core; whoever reads from it while the page is drawn, draws again when it changes. */
  get core(): Core {
    this.#changed()
    return this.#core
  }

  /** Whether anything of it is here: of a core that was never here, nothing is known until the first sync. */
  get isEmptyYet(): boolean {
    return this.standing === 'checking' && this.core.entries().length === 0
  }

  /** Sends what waits, and takes in what is new. */
  async sync(): Promise<SyncReport> {
    try {
      const report = await this.#core.sync()
      this.#went(report)
      return report
    } catch (error) {
      this.#failed(error)
      throw error
    }
  }

  /** Calls back once all that was written here is at the node. */
  whenSent(then: () => void): void {
    this.#whenSent.push(then)
    this.#count()
  }

  close(): void {
    for (const stop of this.#stop) stop()
  }

  #went(_report: SyncReport): void {
    this.standing = 'current'
    this.trouble = undefined
    this.#count()
  }

  #failed(error: unknown): void {
    this.#count()
    this.trouble = error
    if (error instanceof NetworkError) this.standing = 'offline'
    else if (error instanceof RemovedFromCoreError) this.standing = 'removed'
    else if (error instanceof SessionExpiredError) {
      this.standing = 'over'
      account.isOver = true
    } else this.standing = 'troubled'
  }

  #count(): void {
    this.unsent = this.#core.unsent
    if (this.unsent > 0) return
    const waiting = this.#whenSent
    this.#whenSent = []
    for (const then of waiting) then()
  }
}
