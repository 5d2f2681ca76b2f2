// Pebble, an ACME server for tests, and the DNS server that comes with it, both on free ports of this machine.

import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A port that nothing listens on, by TCP or UDP. */
export async function freePort () {
  for (;;) {
    const server = createServer()
    await new Promise((done, failed) => server.once('error', failed).listen(0, '127.0.0.1', done))
    const { port } = server.address()
    const socket = createSocket('udp4')
    const free = await new Promise(done => {
      socket.once('error', () => done(false))
      socket.bind(port, '127.0.0.1', () => done(true))
    })
    socket.close()
    await new Promise(done => server.close(done))
    if (free) {
      return port
    }
  }
}

/** Asks again until `ask` gives something, for a minute at most. */
export async function eventually (what, ask, seconds = 60) {
  const until = Date.now() + seconds * 1000
  let last
  while (Date.now() < until) {
    try {
      const found = await ask()
      if (found != null && found !== false) {
        return found
      }
    } catch (error) {
      last = error
    }
    await new Promise(done => setTimeout(done, 100))
  }
  throw new Error(`${what} did not come to be`, { cause: last })
}

function start (program, args, env = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'ignore'] })
  const ended = new Promise(done => child.once('exit', done))
  process.once('exit', () => child.kill('SIGKILL'))
  return async () => {
    child.kill('SIGTERM')
    await ended
  }
}

/**
 * Starts the DNS server. Every name without an address of its own is at 127.0.0.1.
 *
 * @returns `port`, `set(kind, record)` (`txt`, `cname`, `servfail`), `clear(kind, host)`, `stop()`
 */
export async function startDns () {
  const [port, management] = [await freePort(), await freePort()]
  const stop = start(process.env.PEBBLE_DNS, [
    '-dnsserver', `127.0.0.1:${port}`, '-management', `127.0.0.1:${management}`,
    '-http01', '', '-https01', '', '-tlsalpn01', '', '-doh', '', '-defaultIPv4', '127.0.0.1', '-defaultIPv6', ''
  ])
  const call = async (path, body) => {
    const response = await fetch(`http://127.0.0.1:${management}/${path}`, { method: 'POST', body: JSON.stringify(body) })
    if (!response.ok) {
      throw new Error(`${path}: ${response.status}`)
    }
    return true
  }
  await eventually('a DNS server', () => call('clear-txt', { host: 'nothing.test.' }))
  const set = (kind, record) => call(`set-${kind}`, record)
  const clear = (kind, host) => call(`clear-${kind}`, { host })
  return { port, set, clear, stop }
}

/**
 * Starts the ACME server at `port`. It looks for names at the node's ports, which are 80 and 443 elsewhere.
 *
 * @returns `stop()`
 */
export async function startAcme ({ port, dns, http, tls, lifeSeconds }) {
  const dir = mkdtempSync(join(tmpdir(), 'kubelt-acme-'))
  const certs = join(process.env.PEBBLE_HOME, 'test/certs')
  const config = {
    pebble: {
      listenAddress: `127.0.0.1:${port}`,
      managementListenAddress: `127.0.0.1:${await freePort()}`,
      certificate: join(certs, 'localhost/cert.pem'),
      privateKey: join(certs, 'localhost/key.pem'),
      httpPort: http,
      tlsPort: tls,
      ocspResponderURL: '',
      externalAccountBindingRequired: false,
      retryAfter: { authz: 1, order: 1 },
      profiles: { default: { description: 'the only one', validityPeriod: lifeSeconds } }
    }
  }
  writeFileSync(join(dir, 'pebble.json'), JSON.stringify(config))
  const end = start(process.env.PEBBLE, ['-config', join(dir, 'pebble.json'), '-dnsserver', `127.0.0.1:${dns}`, '-strict'], { PEBBLE_VA_NOSLEEP: '1' })
  const stop = async () => {
    await end()
    rmSync(dir, { recursive: true, force: true })
  }
  await eventually('an ACME server', () => isListening(port))
  return { stop }
}

async function isListening (port) {
  const { connect } = await import('node:net')
  return new Promise(done => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })
}

/** The root that Pebble's own certificate rests on. */
export const ACME_ROOT = () => join(process.env.PEBBLE_HOME, 'test/certs/pebble.minica.pem')
