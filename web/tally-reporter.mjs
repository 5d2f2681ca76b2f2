// Ends a run of vitest with the line that `cargo xtask test` adds up.

export default class TallyReporter {
  /** @param {{skipped?: string[]}} [options] what this machine cannot run, and why */
  constructor({ skipped = [] } = {}) {
    this.skipped = skipped
  }

  onTestRunEnd(modules, errors) {
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const passed = tests.filter((test) => test.result().state === 'passed').length
    const broken = modules.filter((module) => module.errors().length > 0).length
    for (const one of this.skipped) console.log(`SKIPPED ${one}`)
    const skipped = this.skipped.length > 0 ? `, ${this.skipped.length} skipped` : ''
    console.log(`${passed} passed, ${tests.length - passed + broken + errors.length} failed${skipped}`)
  }
}
