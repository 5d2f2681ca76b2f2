// Host names with TLS, judged by an ACME server and over a DNS that nobody here wrote: Pebble looks for a name at the
// node as a certificate authority would, and its DNS server says for which core the name is meant.

import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:https'
import { connect } from 'node:tls'
import { Checks } from '../checks.mjs'
import { startNode } from '../node.mjs'
import { ACME_ROOT, eventually, freePort, startAcme, startDns } from './servers.mjs'

const HOST = 'widgets.acme.test'
const checks = new Checks()
const dns = await startDns()

/** A node whose core publishes a page, and an authority that it knows. */
async function scene (challenge, lifeSeconds, body) {
  const port = await freePort()
  const settings = `public_hosts = ["node.test"]
[tls]
listen = "127.0.0.1:0"
redirect_port = 443
acme_directory = "https://localhost:${port}/dir"
acme_root = "${ACME_ROOT()}"
acme_challenges = ["${challenge}"]
`
  const node = await startNode({ settings, dns: `lookup = true\nservers = ["127.0.0.1:${dns.port}"]` })
  const acme = await startAcme({ port, dns: dns.port, http: node.port, tls: node.tlsPort, lifeSeconds })
  try {
    await node.run(['put', '@me/index.html', '-', '--public'], { input: '<h1>widgets</h1>' })
    const { core } = await (await node.fetch(node.core)).json()
    await body({ node, acme, core })
  } finally {
    await dns.clear('txt', `_kubelt.${HOST}.`)
    await acme.stop()
    await node.stop()
  }
}

/** The certificate that a client is shown who asks for a name; none where there is no connection. */
function shown (node, name, options = {}) {
  return new Promise(done => {
    const socket = connect({ host: '127.0.0.1', port: node.tlsPort, servername: name, rejectUnauthorized: false, ...options }, () => {
      const certificate = socket.getPeerCertificate()
      done({ certificate, protocol: socket.alpnProtocol })
      socket.destroy()
    })
    socket.once('error', () => done(null))
  })
}

/** A page over TLS. */
function page (node, name, path = '/') {
  return new Promise((done, failed) => {
    const options = { host: '127.0.0.1', port: node.tlsPort, servername: name, path, rejectUnauthorized: false, headers: { host: name } }
    request(options, response => {
      let text = ''
      response.on('data', piece => { text += piece })
      response.on('end', () => done({ status: response.statusCode, text, headers: response.headers }))
    }).once('error', failed).end()
  })
}

const hosts = certificate => certificate.subjectaltname?.split(', ') ?? []
const prove = core => dns.set('txt', { host: `_kubelt.${HOST}.`, value: `core=${core}` })

for (const challenge of ['http-01', 'tls-alpn-01']) {
  await scene(challenge, 7776000, async ({ node, core }) => {
    await checks.check(`${challenge}: no name that nobody has proved gets a certificate`, async () => {
      const told = await node.json(['name', 'add', '@me', HOST])
      if (told.leads_here || told.records[0].value !== `core=${core}`) {
        throw new Error(JSON.stringify(told))
      }
      if (await shown(node, HOST) != null || await shown(node, 'other.acme.test') != null) {
        throw new Error('a certificate is shown')
      }
    })
    await prove(core)
    await checks.check(`${challenge}: a name is bound, proved by TXT, and served over TLS by SNI`, async () => {
      const told = await node.json(['name', 'check', '@me', HOST])
      checks.equal(`${challenge}: it is proved`, [told.leads_here, told.state, told.by], [true, 'proved', 'txt'])
      const { certificate } = await eventually('a certificate', () => shown(node, HOST))
      checks.equal(`${challenge}: it is for the name`, hosts(certificate), [`DNS:${HOST}`])
      const { status, text } = await page(node, HOST)
      checks.equal(`${challenge}: the site is served`, [status, text], [200, '<h1>widgets</h1>'])
    })
    await checks.check(`${challenge}: HTTP/2 and HTTP/1.1 are spoken over TLS`, async () => {
      const offered = await shown(node, HOST, { ALPNProtocols: ['h2', 'http/1.1'] })
      checks.equal(`${challenge}: HTTP/2 is taken where it is offered`, offered.protocol, 'h2')
      const session = connectHttp2(`https://${HOST}:${node.tlsPort}`, {
        createConnection: () => connect({ host: '127.0.0.1', port: node.tlsPort, servername: HOST, ALPNProtocols: ['h2'], rejectUnauthorized: false })
      })
      const status = await new Promise((done, failed) => {
        session.once('error', failed)
        session.request({ ':path': '/', ':authority': HOST }).once('response', headers => done(headers[':status'])).once('error', failed)
      })
      session.close()
      checks.equal(`${challenge}: a page over HTTP/2`, status, 200)
    })
    await checks.check(`${challenge}: plain HTTP is sent on to TLS`, async () => {
      const { redirected } = await plain(node, HOST, '/docs?x=1')
      checks.equal(`${challenge}: where to`, redirected, `https://${HOST}/docs?x=1`)
    })
    await checks.check(`${challenge}: the owner is told of the certificate`, async () => {
      const { names } = await node.json(['name', 'ls', '@me'])
      if (names[0].certificate?.state !== 'held' || names[0].certificate.until == null) {
        throw new Error(JSON.stringify(names))
      }
    })
    await checks.check(`${challenge}: the proof is withdrawn, and the host stops answering`, async () => {
      await dns.clear('txt', `_kubelt.${HOST}.`)
      const told = await node.json(['name', 'check', '@me', HOST])
      checks.equal(`${challenge}: it is proved no more`, [told.leads_here, told.state], [false, 'unproved'])
      if (await shown(node, HOST) != null) {
        throw new Error('the certificate is still shown')
      }
      const { text } = await plain(node, HOST, '/')
      if (text.includes('widgets')) {
        throw new Error('the site is still served')
      }
    })
  })
}

/** A page by plain HTTP, under a host. */
async function plain (node, host, path) {
  const { request: ask } = await import('node:http')
  return new Promise((done, failed) => {
    ask({ host: '127.0.0.1', port: node.port, path, headers: { host } }, response => {
      let text = ''
      response.on('data', piece => { text += piece })
      response.on('end', () => done({ status: response.statusCode, text, redirected: response.headers.location }))
    }).once('error', failed).end()
  })
}

await scene('http-01', 30, async ({ node, acme, core }) => {
  await prove(core)
  await node.json(['name', 'add', '@me', HOST])
  const first = await eventually('a certificate', () => shown(node, HOST))
  let second
  await checks.check('a certificate is renewed before it ends', async () => {
    const ends = Date.parse(first.certificate.valid_to)
    second = await eventually('another certificate', async () => {
      const now = await shown(node, HOST)
      return now != null && now.certificate.serialNumber !== first.certificate.serialNumber ? now : null
    })
    if (Date.now() >= ends) {
      throw new Error('it came too late')
    }
  })
  await acme.stop()
  await checks.check('where renewing fails the old certificate is kept, and the owner is told why', async () => {
    const told = await eventually('a failure', async () => {
      const { names } = await node.json(['name', 'ls', '@me'])
      return names[0].certificate?.failure != null ? names[0].certificate : null
    })
    if (told.until == null) {
      throw new Error(JSON.stringify(told))
    }
    const now = await shown(node, HOST)
    checks.equal('it is shown still', now?.certificate.serialNumber, second?.certificate.serialNumber)
  })
})

await scene('http-01', 7776000, async ({ node, core }) => {
  await checks.check('an alias proves a name only where it names the core', async () => {
    await node.json(['name', 'add', '@me', HOST])
    const state = async target => {
      await dns.set('cname', { host: `${HOST}.`, target: `${target}.` })
      return (await node.json(['name', 'check', '@me', HOST])).state
    }
    checks.equal('the node alone', await state('node.test'), 'unproved')
    checks.equal('the core at the node', await state(`${core}.core.node.test`), 'proved')
    checks.equal('it points away again', await state('elsewhere.test'), 'unproved')
    await dns.clear('cname', `${HOST}.`)
  })
  await checks.check('a name that another core is meant for is that of the other one', async () => {
    const other = core.replace(/.$/, last => (last === 'a' ? 'e' : 'a'))
    await prove(other)
    const told = await node.json(['name', 'check', '@me', HOST])
    checks.equal('the proof decides', told.leads_here, false)
    await dns.clear('txt', `_kubelt.${HOST}.`)
  })
  await checks.check('a DNS that fails takes nobody\'s name away', async () => {
    await prove(core)
    await node.json(['name', 'check', '@me', HOST])
    await dns.set('servfail', { host: `_kubelt.${HOST}.` })
    const told = await node.json(['name', 'check', '@me', HOST])
    checks.equal('it is kept', [told.leads_here, told.state], [true, 'proved'])
    checks.equal('and said', /gives no answer/.test(told.why), true)
    await dns.clear('servfail', `_kubelt.${HOST}.`)
  })
})

await dns.stop()
checks.close()
