// Kubo: the binary that the environment variable KUBO names, with a repository and ports of its own.

import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const OUTPUT_BYTES_MAX = 256 * 1024 * 1024
const COMMAND_MS_MAX = 300_000
const GATEWAY = {
  NoFetch: true,
  // The node compared with it serves subdomains under this name, too.
  PublicGateways: { localhost: { UseSubdomains: true, InlineDNSLink: true, Paths: ['/ipfs', '/ipns'] } }
}

/** Nobody is asked for anything, and nobody is told: only who is connected by hand is known. */
const ALONE = {
  AutoConf: { Enabled: false },
  Bootstrap: [],
  DNS: { Resolvers: {} },
  Ipns: { DelegatedPublishers: [] },
  Routing: { Type: 'none', DelegatedRouters: [] },
  Provide: { Enabled: false },
  AutoTLS: { Enabled: false },
  AutoNAT: { ServiceMode: 'disabled' },
  HTTPRetrieval: { Enabled: false },
  Discovery: { MDNS: { Enabled: false } },
  'Swarm.RelayClient': { Enabled: false },
  'Swarm.RelayService': { Enabled: false },
  'Swarm.EnableHolePunching': false,
  'Swarm.DisableNatPortMap': true
}

/**
 * Starts a daemon that dials nobody: offline, or, with `online`, for peers that are connected by hand; `config` overrides what that sets. Gives `gateway` (its URL), `pid`, `run(args, {input, cwd})` (a command of
 * `ipfs` talking to that daemon; what it prints), `text(args)` (the same, trimmed) and `stop()`.
 */
export async function startKubo ({ online = false, config = {} } = {}) {
  const binary = process.env.KUBO
  if (!binary) {
    throw new Error('KUBO names no binary; run `cargo xtask conformance kubo`')
  }
  const dir = mkdtempSync(join(tmpdir(), 'kubelt-kubo-'))
  const env = {
    PATH: process.env.PATH, HOME: dir, IPFS_PATH: join(dir, 'repository'), IPFS_TELEMETRY: 'off', DO_NOT_TRACK: '1'
  }
  const exec = promisify(execFile)
  const run = async (args, { input, cwd = dir } = {}) => {
    const running = exec(binary, args, { cwd, env, encoding: 'buffer', maxBuffer: OUTPUT_BYTES_MAX, timeout: COMMAND_MS_MAX })
    running.child.stdin.on('error', () => {})
    running.child.stdin.end(input)
    return (await running).stdout
  }
  const text = async (args, options) => (await run(args, options)).toString().trim()
  // The profile for tests: no peers to start from, no discovery, loopback and free ports only.
  await run(['init', '--profile=test'])
  await run(['config', 'Addresses.Gateway', '/ip4/127.0.0.1/tcp/0'])
  await run(['config', '--json', 'Gateway', JSON.stringify(GATEWAY)])
  await run(['config', '--json', 'Version.SwarmCheckEnabled', 'false'])
  if (online) {
    for (const [name, value] of Object.entries({ ...ALONE, ...config })) {
      await run(['config', '--json', name, JSON.stringify(value)])
    }
    await run(['config', '--json', 'Addresses.Swarm', '["/ip4/127.0.0.1/tcp/0"]'])
  }

  const daemon = spawn(binary, online ? ['daemon'] : ['daemon', '--offline'], { cwd: dir, env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise(done => daemon.once('exit', done))
  process.once('exit', () => daemon.kill('SIGKILL'))
  const stop = async () => {
    daemon.kill('SIGTERM')
    await ended
    rmSync(dir, { recursive: true, force: true })
  }
  const ready = new Promise(done => createInterface({ input: daemon.stdout }).on('line', line => {
    if (line.startsWith('Daemon is ready')) { done() }
  }))
  try {
    await Promise.race([ready, ended.then(code => { throw new Error(`Kubo ended with ${code} before it was ready`) })])
    const gateway = readFileSync(join(dir, 'repository/gateway'), 'utf8').trim()
    return { gateway, dir, pid: daemon.pid, run, text, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
