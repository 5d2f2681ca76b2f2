// Browsers fetch from a node over WebSockets: plain ones, and secure ones that a reverse proxy offers for it. Other nodes
// come the same way.

import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { createServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startNode } from '../node.mjs'
import { certificate } from './https.mjs'

const BROWSER = fileURLToPath(new URL('browser.mjs', import.meta.url))
const TEXT = 'for browsers\n'

export async function fromBrowsers (checks, dir) {
  const node = await startNode({ settings: '[network]\nlisten = ["/ip4/127.0.0.1/tcp/0/ws"]\n' })
  const [plain] = node.peers
  const { file, ...keys } = certificate(dir)
  const proxy = await startProxy(keys, Number(plain.split('/')[4]))
  const secure = `/dns4/localhost/tcp/${proxy.address().port}/tls/ws/p2p/${plain.split('/').at(-1)}`
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
    await checks.check('a browser fetches over a secure WebSocket', async () => isText(await got(secure, cid, trusting)))
    await checks.check('a browser never gets a private block', () => refused(got(secure, secret, trusting, 1_000), /abort|timeout/i))
    await checks.check('a browser that does not trust the certificate does not connect', () => refused(got(secure, cid), /websocket|connect/i))
    await otherNodes(checks, { secure, cid, file })
  } finally {
    proxy.close()
    await node.stop()
  }
}

/** Nodes dial the secure address, where they trust who signed its certificate. */
async function otherNodes (checks, { secure, cid, file }) {
  const trusting = await startNode({ settings: `[network]\nwss_roots = ["${file}"]\n` })
  const usual = await startNode()
  try {
    await checks.check('a node fetches over a secure WebSocket', async () => {
      await trusting.run(['peers', 'connect', secure])
      const text = (await trusting.run(['get', cid, '-o', '-'])).toString()
      if (text !== TEXT) { throw new Error(`it got ${JSON.stringify(text)}`) }
    })
    await checks.check('a node that does not trust the certificate does not connect', () =>
      refused(usual.run(['peers', 'connect', secure]), /UnknownIssuer/))
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
