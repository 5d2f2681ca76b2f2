// Ends a run of vitest with the line that `cargo xtask test` adds up.

export default class TallyReporter {
  onTestRunEnd(modules, errors) {
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const passed = tests.filter((test) => test.result().state === 'passed').length
    const broken = modules.filter((module) => module.errors().length > 0).length
    console.log(`${passed} passed, ${tests.length - passed + broken + errors.length} failed`)
  }
}
