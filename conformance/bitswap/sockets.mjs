// Browsers fetch from a node over WebSockets: plain ones, and secure ones, which the node offers itself or a reverse proxy for
// it. Other nodes come the same way.

import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { createServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startNode } from '../node.mjs'
import { certificate } from './https.mjs'

const BROWSER = fileURLToPath(new URL('browser.mjs', import.meta.url))
const TEXT = 'for browsers\n'
/** Tries until a node has seen that files have changed. */
const TRIES_MAX = 40

export async function fromBrowsers (checks, dir) {
  const { file, ...keys } = certificate(dir)
  const own = `[tls]\nlisten = "127.0.0.1:0"\ncertificates = [{ cert = "${file}", key = "${dir}/key.pem" }]\n`
  const listen = '[network]\nlisten = ["/ip4/127.0.0.1/tcp/0/ws", "/ip4/127.0.0.1/tcp/0/tls/ws"]\n'
  const node = await startNode({ settings: own + listen })
  const [plain, self] = [false, true].map(isSecure => node.peers.find(address => address.includes('/tls/') === isSecure))
  const port = address => Number(address.split('/')[4])
  const id = plain.split('/').at(-1)
  const proxy = await startProxy(keys, port(plain))
  const secure = port => `/dns4/localhost/tcp/${port}/tls/ws/p2p/${id}`
  try {
    const { cid } = await node.json(['put', '@me/browsers.txt', '-', '--public'], { input: TEXT })
    const { cid: secret } = await node.json(['put', '@me/no-browsers.txt', '-'], { input: 'not for browsers\n' })
    const got = async (address, cid, env, ms = 20_000) => {
      const args = ['--experimental-websocket', BROWSER, address, cid, ms]
      return (await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...env }, timeout: 60_000 })).stdout
    }
    const trusting = { NODE_EXTRA_CA_CERTS: file }
    const isText = text => { if (!text.includes(TEXT)) { throw new Error(`it got ${JSON.stringify(text)}`) } }
    await checks.check('a browser fetches over a WebSocket', async () => isText(await got(plain, cid)))
    for (const [way, address] of [['of a proxy', secure(proxy.address().port)], ['of the node itself', secure(port(self))]]) {
      await checks.check(`a browser fetches over a secure WebSocket ${way}`, async () => isText(await got(address, cid, trusting)))
      await checks.check(`a browser never gets a private block, ${way}`, () => refused(got(address, secret, trusting, 1_000), /abort|timeout/i))
      await checks.check(`a browser that does not trust the certificate ${way} does not connect`, () =>
        refused(got(address, cid), /websocket|connect/i))
      await otherNodes(checks, { way, address, cid, file })
    }
    await checks.check('a browser comes by an address with a name in it', async () => {
      isText(await got(`/ip4/127.0.0.1/tcp/${port(self)}/tls/sni/localhost/ws/p2p/${id}`, cid, trusting))
    })
    await checks.check('a certificate that is renewed is shown without a restart', async () => {
      certificate(dir)
      for (let tries = 1; ; tries++) {
        try {
          return isText(await got(secure(port(self)), cid, trusting))
        } catch (error) {
          if (tries === TRIES_MAX) { throw error }
        }
      }
    })
  } finally {
    proxy.close()
    await node.stop()
  }
}

/** Nodes dial a secure address, where they trust who signed its certificate. */
async function otherNodes (checks, { way, address, cid, file }) {
  const trusting = await startNode({ settings: `[network]\nwss_roots = ["${file}"]\n` })
  const usual = await startNode()
  try {
    await checks.check(`a node fetches over a secure WebSocket ${way}`, async () => {
      await trusting.run(['peers', 'connect', address])
      const text = (await trusting.run(['get', cid, '-o', '-'])).toString()
      if (text !== TEXT) { throw new Error(`it got ${JSON.stringify(text)}`) }
    })
    await checks.check(`a node that does not trust the certificate ${way} does not connect`, () =>
      refused(usual.run(['peers', 'connect', address]), /UnknownIssuer/))
  } finally {
    await trusting.stop()
    await usual.stop()
  }
}

async function refused (asked, why) {
  await asked.then(() => { throw new Error('it worked') }, error => {
    if (!why.test(`${error.stderr}`)) { throw error }
  })
}

/** What ends TLS before a node, and passes on what is in it. */
async function startProxy (keys, port) {
  const proxy = createServer(keys, outer => {
    const inner = connect(port, '127.0.0.1')
    outer.pipe(inner).pipe(outer)
    for (const [one, other] of [[outer, inner], [inner, outer]]) { one.on('error', () => other.destroy()) }
  })
  proxy.on('tlsClientError', () => {})
  await new Promise(done => proxy.listen(0, '127.0.0.1', done))
  return proxy
}
