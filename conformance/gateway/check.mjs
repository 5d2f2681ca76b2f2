// Runs the outside suite of IPFS gateways (github.com/ipfs/gateway-conformance), all of its specifications, against
// a node that holds its fixtures. `cargo xtask conformance gateway` builds the suite and names it.

import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { must, startNode } from '../node.mjs'

/** The host that the suite takes for a gateway with subdomains; it is never looked up. */
const HOST = 'example.com'
/** A fixture that lacks a block on purpose. */
const PARTIAL = /missing-block/
/** Records that no gateway may take. */
const BROKEN = /broken-signature-v2|broken-v1-value|_v1_\d+\.|_v1\./
/** No test of the suite takes longer. */
const MINUTES_MAX = 5

const suite = process.env.GATEWAY_CONFORMANCE
if (!suite) {
  throw new Error('GATEWAY_CONFORMANCE names no program; run `cargo xtask conformance gateway`')
}
const scratch = mkdtempSync(join(tmpdir(), 'gateway-conformance-'))
const fixtures = join(scratch, 'fixtures')
await run(suite, ['extract-fixtures', '--directory', fixtures], 'ignore')
const named = end => readdirSync(fixtures).filter(name => name.endsWith(end)).sort()
const { domains } = JSON.parse(readFileSync(join(fixtures, 'dnslinks.json'), 'utf8'))

const node = await startNode({ settings: settings(domains) })
try {
  let refused = 0
  for (const file of [...named('.car'), ...named('.ipns-record')]) {
    try {
      await (file.endsWith('.car') ? importCar(file) : putRecord(file))
    } catch (error) {
      refused++
      console.log(`refused: ${file}: ${error.message}`)
    }
  }
  await judge(refused)
} finally {
  await node.stop()
  rmSync(scratch, { recursive: true, force: true })
}

function importCar (file) {
  return node.importCar(readFileSync(join(fixtures, file)), { at: `fixtures/${file}`, partial: PARTIAL.test(file) })
}

async function putRecord (file) {
  const name = basename(file, '.ipns-record').split('_')[0]
  const asked = node.fetch(`/routing/v1/ipns/${name}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/vnd.ipfs.ipns-record' },
    body: readFileSync(join(fixtures, file))
  })
  if (BROKEN.test(file)) {
    const { status } = await asked
    console.log(`${file}: broken, answered ${status}`)
  } else {
    await must(asked)
  }
}

// The suite prints what fails; its report has an event for each test.
async function judge (refused) {
  const report = join(scratch, 'report.json')
  const status = await run(suite, [
    'test', '--gateway-url', node.url, '--subdomain-url', `http://${HOST}:${node.port}`, '--json', report,
    '--', '-count=1', '-timeout', `${MINUTES_MAX}m`
  ])
  const counts = { pass: 0, fail: 0, skip: 0 }
  const tests = new Map()
  for (const line of readFileSync(report, 'utf8').split('\n').filter(Boolean)) {
    const { Action: action, Test: test } = JSON.parse(line)
    if (test != null && action in counts) {
      counts[action]++
      tests.set(test, action)
    }
  }
  for (const [test, action] of tests) {
    if (action !== 'pass') {
      console.log(`${action}: ${test}`)
    }
  }
  console.log(`gateway-conformance: ${counts.pass} pass, ${counts.fail} fail, ${counts.skip} skip, ${refused} fixtures refused; it ended with ${status}`)
  // What the suite would leave out counts as failed: all of its specifications are meant.
  const failed = counts.fail + counts.skip + refused
  console.log(`${counts.pass} passed, ${failed} failed`)
  process.exitCode = status === 0 && failed === 0 && counts.pass > 0 ? 0 : 1
}

function run (program, args, stdout = 'inherit') {
  return new Promise((resolve, reject) => {
    spawn(program, args, { stdio: ['ignore', stdout, 'inherit'] }).once('error', reject).once('exit', resolve)
  })
}

function settings (domains) {
  const links = Object.entries(domains).map(([name, path]) => `${JSON.stringify(name)} = ${JSON.stringify(path)}`)
  return `gateway_hosts = ["localhost", "${HOST}"]\n[dnslink]\n${links.join('\n')}\n`
}
