// A node to judge: starts the `kubelt` binary that the environment variable KUBELT names, in a directory of its own
// and on a free port, with somebody signed in.

import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

/** No limits, and no name is looked up beyond this machine. */
const ALWAYS = '[rates]\nrequests_per_second = 0\nsign_ins_per_minute = 0\nwrites_per_second = 0\nlookups_per_minute = 0\n[dns]\n'
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024
/** One run of a command must not outlast this, or a check would hang for ever. */
const COMMAND_MS_MAX = 300_000

/**
 * Starts a node and signs in with a new wallet.
 *
 * @param {object} [options]
 * @param {string} [options.settings] more of the settings file (TOML), without `[rates]` and `[dns]`
 * @param {string} [options.dns] the settings under `[dns]`; without, nobody is asked
 * @param {object} [options.env] more of the environment
 * @param {boolean} [options.person] whether somebody is signed in; without, the node has no `token`, `account` and `core`
 * @returns the node:
 *  - `url` (`http://127.0.0.1:PORT`), `port`, `tlsPort` (where it ends TLS), `dir` (removed by `stop`), `pid`, `peers` (where peers reach it), `replicas` (where nodes that exchange cores do)
 *  - `token` (bearer token), `account` (`0x…`), `core` (the core's path, `/@0x…`)
 *  - `run(args, {cwd, input})` runs a command as that person and gives what it prints; `json(args)` gives it parsed
 *  - `fetch(path, init)` asks as that person (`path` from `/`, redirects not followed), `anonymous(path, init)` as nobody
 *  - `importCar(bytes, {at, partial})` uploads a CAR and publishes each of its roots at `{at}/{cid}` for everybody;
 *    gives the roots
 *  - `stop()` ends the process, by its id, and removes the directory
 */
export async function startNode ({ settings = '', dns = 'lookup = false', env = {}, person = true } = {}) {
  const kubelt = process.env.KUBELT
  if (!kubelt) {
    throw new Error('KUBELT names no binary; run `cargo xtask test`, or set it to the path of `kubelt`')
  }
  const binary = resolve(kubelt)
  const dir = mkdtempSync(join(tmpdir(), 'kubelt-conformance-'))
  const passphrase = join(dir, 'passphrase')
  writeFileSync(passphrase, 'a passphrase\n')
  writeFileSync(join(dir, 'kubelt.toml'), `${settings}\n${ALWAYS}${dns}\n`)
  const around = { ...clean(process.env), ...env, KUBELT_HOME: join(dir, 'config') }

  const child = spawn(
    binary,
    ['node', '--json', '--listen', '127.0.0.1:0', '--data-dir', join(dir, 'data'), '--config', join(dir, 'kubelt.toml')],
    { env: around, stdio: ['ignore', 'pipe', 'inherit'] }
  )
  const ended = new Promise(done => child.once('exit', done))
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(dir, { recursive: true, force: true })
  }
  // Whatever ends the check ends the node.
  process.once('exit', () => child.kill('SIGKILL'))

  try {
    const { listening: url, tls, pid, peer_addresses: peers, replicate_addresses: replicas } = JSON.parse(await firstLine(child, ended))
    const exec = promisify(execFile)
    const run = async (args, { cwd = dir, input } = {}) => {
      const running = exec(binary, args, {
        cwd, encoding: 'buffer', env: { ...around, KUBELT_NODE: url }, maxBuffer: OUTPUT_BYTES_MAX, timeout: COMMAND_MS_MAX
      })
      running.child.stdin.end(input)
      return (await running).stdout
    }
    const json = async (args, options) => JSON.parse(await run([...args, '--json'], options))
    const signIn = async () => {
      await run(['wallet', 'new', 'main', '--passphrase-file', passphrase])
      const { account, path: core } = await json(['login', '--wallet', 'main', '--passphrase-file', passphrase])
      const sessions = JSON.parse(await readFile(join(dir, 'config/sessions.json'), 'utf8'))
      return { account, core, token: sessions.sessions[url].token }
    }
    const { account, core, token } = person ? await signIn() : {}

    const anonymous = (path, init = {}) => fetch(url + path, { redirect: 'manual', ...init })
    const asPerson = (path, init = {}) =>
      anonymous(path, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } })
    const importCar = async (bytes, { at = 'car', partial = false } = {}) => {
      const type = { 'content-type': 'application/vnd.ipld.car' }
      const receipt = await must(asPerson(`${core}/-/car`, { method: 'POST', headers: type, body: bytes }))
      const { roots } = await receipt.json()
      for (const root of roots) {
        const query = `cid=${root}&visibility=public${partial ? '&partial=allow' : ''}`
        await must(asPerson(`${core}/-/content/${at}/${root}?${query}`, { method: 'PUT' }))
      }
      return roots
    }
    const tlsPort = tls == null ? undefined : Number(tls.split(':').at(-1))
    return { url, peers, replicas, port: Number(new URL(url).port), tlsPort, dir, pid, token, account, core, run, json, anonymous, fetch: asPerson, importCar, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The answer, which must be a good one. */
export async function must (asked) {
  const response = await asked
  if (!response.ok) {
    throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`)
  }
  return response
}

// Nothing of this machine's settings reaches the node.
function clean (env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('KUBELT_')))
}

async function firstLine (child, ended) {
  const lines = createInterface({ input: child.stdout })
  const line = new Promise(done => lines.once('line', done))
  const gone = ended.then(code => { throw new Error(`the node ended with ${code} before it was ready`) })
  return Promise.race([line, gone])
}
