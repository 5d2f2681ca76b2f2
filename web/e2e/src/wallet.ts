import type { BrowserContext } from '@playwright/test'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'

interface Call {
  readonly method: string
  readonly params?: readonly unknown[]
}

/** A wallet that pages find by EIP-6963 and ask by EIP-1193. It signs for real, with keys that viem holds outside of the page. */
export class TestWallet {
  readonly accounts: readonly PrivateKeyAccount[]
  /** Their private keys, as hex. */
  readonly secrets: readonly `0x${string}`[]
  /** Which of its accounts it is at. */
  at = 0
  /** Whether its owner declines to sign. */
  rejects = false
  /** What it was asked, by method. */
  readonly asked: string[] = []

  constructor(accounts = 2) {
    this.secrets = Array.from({ length: accounts }, generatePrivateKey)
    this.accounts = this.secrets.map((secret) => privateKeyToAccount(secret))
  }

  get account(): PrivateKeyAccount {
    return this.accounts[this.at] as PrivateKeyAccount
  }

  get signatures(): number {
    return this.asked.filter((method) => method === 'personal_sign' || method === 'eth_signTypedData_v4').length
  }

  /** Puts it into every page of a context. */
  async install(context: BrowserContext): Promise<void> {
    await context.exposeFunction('askTestWallet', (call: Call) => this.answer(call))
    await context.addInitScript(announce)
  }

  private async answer({ method, params = [] }: Call): Promise<{ result?: unknown; error?: object }> {
    this.asked.push(method)
    switch (method) {
      case 'eth_requestAccounts':
      case 'eth_accounts':
        return { result: [this.account.address] }
      case 'personal_sign':
        if (this.rejects) break
        return { result: await this.account.signMessage({ message: { raw: params[0] as `0x${string}` } }) }
      case 'eth_signTypedData_v4':
        if (this.rejects) break
        return { result: await this.account.signTypedData(JSON.parse(String(params[1]))) }
      default:
        return { error: { code: 4200, message: `this wallet has no ${method}` } }
    }
    return { error: { code: 4001, message: 'User rejected the request.' } }
  }
}

/** Runs in the page. */
function announce(): void {
  const page = window as unknown as {
    askTestWallet(call: unknown): Promise<{ result?: unknown; error?: { code: number; message: string } }>
  }
  const provider = {
    async request(call: unknown) {
      const { result, error } = await page.askTestWallet(call)
      if (error) throw Object.assign(new Error(error.message), { code: error.code })
      return result
    },
  }
  const info = {
    uuid: crypto.randomUUID(),
    name: 'Test wallet',
    icon: "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'><circle cx='4' cy='4' r='4' fill='teal'/></svg>",
    rdns: 'org.example.test-wallet',
  }
  const detail = Object.freeze({ info: Object.freeze(info), provider })
  const tell = () => window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }))
  window.addEventListener('eip6963:requestProvider', tell)
  tell()
}
