// Kubo fetches by HTTPS what a node publishes: it asks the node who provides it, and is told of the gateway.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { createSecureServer } from 'node:http2'
import { join } from 'node:path'
import { startNode } from '../node.mjs'
import { startKubo } from '../kubo/kubo.mjs'

export async function fetchedByHttps (checks, dir) {
  const proxy = await startProxy(dir)
  const settings = `public_url = "https://localhost:${proxy.port}"\n[network]\nlisten = ["/ip4/127.0.0.1/tcp/0"]\ndht_scope = "lan"\n`
  const node = await startNode({ settings })
  proxy.to = node.port
  const config = {
    HTTPRetrieval: { Enabled: true, TLSInsecureSkipVerify: true },
    Routing: askingOnly(node.url)
  }
  const kubo = await startKubo({ online: true, config })
  try {
    const { cid } = await node.json(['put', '@me/by-https.bin', '-', '--public'], { input: Buffer.alloc(600_000, 'by https ') })
    await checks.check('a node names its gateway among the providers', async () => {
      const answer = await (await node.anonymous(`/routing/v1/providers/${cid}`)).json()
      const [{ Protocols: protocols, Addrs: addresses }] = answer.Providers
      if (!protocols.includes('transport-ipfs-gateway-http') || !addresses.includes(`/dns4/localhost/tcp/${proxy.port}/tls/http`)) {
        throw new Error(JSON.stringify(answer))
      }
    })
    await checks.check('Kubo fetches by HTTPS', async () => {
      const bytes = await kubo.run(['cat', '--timeout=60s', cid])
      if (!bytes.equals(Buffer.alloc(600_000, 'by https '))) { throw new Error(`${bytes.length} other bytes came`) }
      const blocks = proxy.asked.filter(path => path.startsWith('/ipfs/') && !path.includes('bafkqaaa'))
      if (blocks.length === 0) { throw new Error('nothing was asked of the gateway') }
    })
  } finally {
    await kubo.stop()
    await node.stop()
    proxy.server.close()
  }
}

/** All that Kubo wants to know it asks one router. */
function askingOnly (url) {
  const named = { RouterName: 'node' }
  const none = { RouterName: 'none' }
  return {
    Type: 'custom',
    DelegatedRouters: [],
    Routers: {
      node: { Type: 'http', Parameters: { Endpoint: url } },
      none: { Type: 'parallel', Parameters: { Routers: [], Timeout: '1s' } }
    },
    Methods: { 'find-providers': named, 'find-peers': named, 'get-ipns': none, 'put-ipns': none, provide: none }
  }
}

/** A key and a certificate for `localhost`, which nobody trusts who is not told to: as a server takes them, and the file. */
export function certificate (dir) {
  const [key, file] = [join(dir, 'key.pem'), join(dir, 'cert.pem')]
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=critical,CA:FALSE',
    '-keyout', key, '-out', file
  ], { stdio: 'ignore' })
  return { key: readFileSync(key), cert: readFileSync(file), file }
}

/** What ends TLS before a node, and speaks HTTP/2. */
async function startProxy (dir) {
  const { key, cert } = certificate(dir)
  const proxy = { asked: [], to: 0 }
  proxy.server = createSecureServer({ key, cert }, (asked, answer) => {
    proxy.asked.push(asked.url)
    const headers = Object.fromEntries(Object.entries(asked.headers).filter(([name]) => !name.startsWith(':')))
    const passed = request({ port: proxy.to, host: '127.0.0.1', method: asked.method, path: asked.url, headers }, got => {
      const { connection, 'transfer-encoding': encoding, 'keep-alive': alive, ...rest } = got.headers
      answer.writeHead(got.statusCode, rest)
      got.pipe(answer)
    })
    passed.on('error', () => answer.writeHead(502).end())
    passed.end()
  })
  await new Promise(done => proxy.server.listen(0, '127.0.0.1', done))
  proxy.port = proxy.server.address().port
  return proxy
}
