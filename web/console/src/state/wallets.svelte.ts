import { readAnnouncement, type Wallet } from './announcement.js'

/** The wallets of this browser. */
class Wallets {
  all = $state.raw<readonly Wallet[]>([])

  constructor() {
    addEventListener('eip6963:announceProvider', (event) => this.#add((event as CustomEvent<unknown>).detail))
    this.ask()
  }

  /** Asks wallets to announce themselves, those that came later, too. */
  ask(): void {
    dispatchEvent(new Event('eip6963:requestProvider'))
  }

  /** A wallet by its name in reverse. */
  find(rdns: string): Wallet | undefined {
    return this.all.find((wallet) => wallet.rdns === rdns)
  }

  #add(detail: unknown): void {
    const wallet = readAnnouncement(detail)
    if (!wallet || this.all.some(({ provider }) => provider === wallet.provider)) return
    const others = this.all.filter(({ rdns }) => rdns !== wallet.rdns)
    this.all = [...others, wallet].sort((a, b) => a.name.localeCompare(b.name))
  }
}

export const wallets = new Wallets()
