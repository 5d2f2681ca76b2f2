import { type Browser, type BrowserContext, type CDPSession, chromium, type Page } from 'playwright-core'
import { chromiumPath } from '../../chromium.js'
import { bundle } from './bundle.js'

/** The package in a page, and what a test keeps there. */
declare global {
  const sdk: typeof import('../../src/index.js')
}

const LAUNCH = {
  ...(chromiumPath !== undefined && { executablePath: chromiumPath }),
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
}

/** A browser with pages of a node's origin in which the package is. */
export class TestBrowser {
  private constructor(
    private readonly browser: Browser,
    private readonly script: string,
  ) {}

  static async launch(): Promise<TestBrowser> {
    const { code } = await bundle("export * from '@kubelt/sdk'", 'sdk')
    const browser = await chromium.launch(LAUNCH)
    return new TestBrowser(browser, `${code}\nglobalThis.sdk = sdk`)
  }

  /** A page of a profile of its own. The package is there again after each reload. */
  async open(url: string): Promise<TestPage> {
    return this.prepare(await this.browser.newContext(), url)
  }

  /** The same in a browser of its own, of which the DevTools protocol can change more. */
  async openAlone(url: string): Promise<TestPage> {
    return this.prepare(await chromium.launchPersistentContext('', LAUNCH), url)
  }

  private async prepare(context: BrowserContext, url: string): Promise<TestPage> {
    await context.addInitScript({ content: this.script })
    // An empty page of the node's origin, with nothing of the node in it.
    await context.route(`${url}/empty`, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }))
    const page = await context.newPage()
    await page.goto(`${url}/empty`)
    return { context, page, devtools: await context.newCDPSession(page) }
  }

  close(): Promise<void> {
    return this.browser.close()
  }
}

/** An open page. */
export interface TestPage {
  readonly context: BrowserContext
  readonly page: Page
  /** Chrome's DevTools protocol. */
  readonly devtools: CDPSession
}
