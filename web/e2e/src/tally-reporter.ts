import type { Reporter, TestCase, TestResult } from '@playwright/test/reporter'
import { chromium } from './chromium.js'

/** Says what failed and why, and ends with the line that `cargo xtask test` adds up. */
export default class TallyReporter implements Reporter {
  private passed = 0
  private failed = 0

  onTestEnd(test: TestCase, result: TestResult): void {
    if (result.status === test.expectedStatus) {
      this.passed++
      return
    }
    this.failed++
    const why = result.errors.map(({ stack, message }) => stack ?? message ?? '').join('\n')
    console.error(`failed: ${test.titlePath().filter(Boolean).join(' › ')}\n${why}`)
  }

  onError(error: { message?: string }): void {
    this.failed++
    console.error(`failed: ${error.message}`)
  }

  onEnd(): void {
    if (chromium === undefined) {
      console.log('SKIPPED the console in a real browser: there is no `chromium` on this machine')
    }
    const skipped = chromium === undefined ? ', 1 skipped' : ''
    console.log(`${this.passed} passed, ${this.failed} failed${skipped}`)
  }

  printsToStdio(): boolean {
    return true
  }
}
