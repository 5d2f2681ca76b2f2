// Counts checks, and ends with the line that `cargo xtask test` adds up.

import { deepStrictEqual } from 'node:assert'

/**
 * Checks of one program. `check(name, body)` runs `body` and counts it, passed unless it throws; `equal(name, found,
 * expected)` compares deeply; `cannotRun(name, why)` counts what could not run; `close()` prints the counts and sets the
 * status of the program.
 */
export class Checks {
  passed = 0
  failed = 0
  skipped = 0

  async check (name, body) {
    try {
      await body()
      this.passed++
    } catch (error) {
      this.failed++
      const cause = error.cause == null ? '' : `\n  ${error.cause}`
      console.error(`failed: ${name}\n  ${error.stack ?? error}${cause}`)
    }
  }

  equal (name, found, expected) {
    return this.check(name, () => deepStrictEqual(found, expected))
  }

  cannotRun (name, why) {
    this.skipped++
    console.log(`SKIPPED ${name}: ${why}`)
  }

  close () {
    const skipped = this.skipped === 0 ? '' : `, ${this.skipped} skipped`
    console.log(`${this.passed} passed, ${this.failed} failed${skipped}`)
    process.exitCode = this.failed === 0 ? 0 : 1
  }
}
