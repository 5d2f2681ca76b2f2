// Runs the compliance checks of npm `@ipfs-shipyard/pinning-service-compliance` against a node, then a life of pins with
// the client of the same people, and with Kubo where the environment variable KUBO names its binary.
//
// The suite fetches the API's description from the web to check the shapes of answers. Here it gets `api.json`, which
// says the same of the answers that it looks at.

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Checks } from '../checks.mjs'
import { startNode } from '../node.mjs'

const SUITE = new URL('node_modules/@ipfs-shipyard/pinning-service-compliance/dist/src/', import.meta.url)
const DESCRIPTION = fileURLToPath(new URL('api.json', import.meta.url))

// Before the suite loads it: shapes come from the file beside this one.
const parser = createRequire(createRequire(SUITE).resolve('oas2joi'))('swagger-parser')
const dereference = parser.dereference.bind(parser)
parser.dereference = () => dereference(DESCRIPTION)

const suite = await import(new URL('checks/index.js', SUITE))
const { globalReport } = await import(new URL('utils/report.js', SUITE))
const { getPinTracker } = await import(new URL('utils/pinTracker.js', SUITE))

const checks = new Checks()
const node = await startNode()
try {
  const endpoint = `${node.url}${node.core}/-`
  await runSuite([endpoint, node.token])
  await liveWithClient(endpoint, node.token)
  await liveWithKubo(endpoint, node.token)
} finally {
  await node.stop()
}
checks.close()

async function runSuite (pair) {
  await getPinTracker(pair)
  const order = [
    'checkEmptyBearerToken', 'checkInvalidBearerToken', 'addPin', 'deleteNewPin', 'getAllPins', 'replacePin', 'matchPin',
    'testPagination', 'deleteAllPins'
  ]
  for (const name of order) {
    await checks.check(name, async () => {
      const { passed, failed } = globalReport
      await suite[name](pair)
      if (globalReport.failed !== failed || globalReport.passed === passed) {
        throw new Error('the suite says that it failed; its lines above say why')
      }
    })
  }
}

async function liveWithClient (endpoint, token) {
  const { Configuration, RemotePinningServiceClient, Status } = await import('@ipfs-shipyard/pinning-service-client')
  const client = new RemotePinningServiceClient(new Configuration({ endpointUrl: endpoint, accessToken: token }))
  const { cid } = await node.json(['put', '@me/hello.txt', '-', '--public'], { input: 'hello' })
  await checks.check('what is here is pinned', async () => {
    const made = await client.pinsPost({ pin: { cid, name: 'hello', meta: { app: 'check' } } })
    const pin = await until(() => client.pinsRequestidGet({ requestid: made.requestid }), pin => pin.status === Status.Pinned)
    const found = await client.pinsGet({ meta: JSON.stringify({ app: 'check' }) })
    if (found.count !== 1 || pin.pin.name !== 'hello') {
      throw new Error(`${found.count} pins, ${pin.pin.name}`)
    }
    await client.pinsRequestidDelete({ requestid: made.requestid })
  })
}

async function liveWithKubo (endpoint, token) {
  if (!process.env.KUBO) {
    checks.skipped++
    console.log('SKIPPED ipfs pin remote: KUBO names no binary')
    return
  }
  const repo = mkdtempSync(join(tmpdir(), 'kubelt-conformance-kubo-'))
  const env = { ...process.env, IPFS_PATH: repo }
  const ipfs = async (...args) => (await promisify(execFile)(process.env.KUBO, args, { env, timeout: 120_000 })).stdout
  try {
    await ipfs('init', '--profile=test')
    await ipfs('pin', 'remote', 'service', 'add', 'kubelt', `${endpoint}/`, token)
    const { cid } = await node.json(['put', '@me/kubo.txt', '-', '--public'], { input: 'for kubo' })
    await checks.check('ipfs pin remote service ls', async () => {
      if (!(await ipfs('pin', 'remote', 'service', 'ls', '--stat')).includes('0/0/0/0')) {
        throw new Error('it counts other pins than none')
      }
    })
    await checks.check('ipfs pin remote add, ls, rm', async () => {
      // Without `--background` it waits until the service says that the pin is pinned.
      await ipfs('pin', 'remote', 'add', '--service=kubelt', '--name=kubo', cid)
      const listed = await ipfs('pin', 'remote', 'ls', '--service=kubelt', '--name=kubo')
      if (!listed.startsWith(cid) || !listed.includes('pinned')) {
        throw new Error(listed)
      }
      await ipfs('pin', 'remote', 'rm', '--service=kubelt', '--name=kubo')
      if (await ipfs('pin', 'remote', 'ls', '--service=kubelt', '--status=queued,pinning,pinned,failed') !== '') {
        throw new Error('the pin is still there')
      }
    })
    await checks.check('ipfs pin remote ls takes every page', async () => {
      for (let n = 0; n < 25; n++) {
        await ipfs('pin', 'remote', 'add', '--service=kubelt', '--background', `--name=n${n}`, cid)
      }
      const listed = await ipfs('pin', 'remote', 'ls', '--service=kubelt', '--status=queued,pinning,pinned,failed')
      if (listed.trim().split('\n').length !== 25) {
        throw new Error(listed)
      }
    })
  } finally {
    rmSync(repo, { recursive: true, force: true })
  }
}

/** Asks again and again; the node has no way to tell. */
async function until (ask, done) {
  for (let n = 0; n < 1_000; n++) {
    const answer = await ask()
    if (done(answer)) {
      return answer
    }
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  throw new Error('it never came')
}
