// Kubo as a peer of a DHT on loopback: it dials nobody but those it is told to.

import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const COMMAND_MS_MAX = 120_000

/** The local DHT alone, with loopback addresses, and nobody else to ask. */
const SETTINGS = {
  Routing: { Type: 'dht', LoopbackAddressesOnLanDHT: true, DelegatedRouters: [] },
  Bootstrap: [],
  AutoConf: { Enabled: false },
  AutoTLS: { Enabled: false },
  'DNS.Resolvers': {},
  'Ipns.DelegatedPublishers': [],
  'HTTPRetrieval.Enabled': false,
  'Discovery.MDNS.Enabled': false,
  'Swarm.RelayClient.Enabled': false,
  'Swarm.EnableHolePunching': false,
  'Swarm.DisableNatPortMap': true,
  'Version.SwarmCheckEnabled': false,
  'Provide.DHT.SweepEnabled': false
}

/** Starts a daemon. Gives `id`, `address`, `run(args, {input})` (what a command prints, trimmed) and `stop()`. */
export async function startPeer () {
  const binary = process.env.KUBO
  if (!binary) {
    throw new Error('KUBO names no binary; run `cargo xtask conformance dht`')
  }
  const dir = mkdtempSync(join(tmpdir(), 'kubelt-dht-'))
  const env = {
    PATH: process.env.PATH, HOME: dir, IPFS_PATH: join(dir, 'repository'), IPFS_TELEMETRY: 'off', DO_NOT_TRACK: '1'
  }
  const exec = promisify(execFile)
  const run = async (args, { input = '' } = {}) => {
    const running = exec(binary, args, { cwd: dir, env, timeout: COMMAND_MS_MAX })
    running.child.stdin.on('error', () => {})
    running.child.stdin.end(input)
    return (await running).stdout.trim()
  }
  await run(['init', '--profile=test'])
  for (const [name, value] of Object.entries(SETTINGS)) {
    await run(['config', '--json', name, JSON.stringify(value)])
  }
  const daemon = spawn(binary, ['daemon'], { cwd: dir, env, stdio: ['ignore', 'pipe', 'inherit'] })
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
    const { ID: id, Addresses: addresses } = JSON.parse(await run(['id']))
    return { id, address: addresses.find(address => address.startsWith('/ip4/127.0.0.1/tcp/')), run, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
