// The same requests to both gateways: status, body, and the headers that the specifications fix.

import { createHash } from 'node:crypto'
import { request as httpRequest } from 'node:http'

/** Headers that the specifications of the path and the trustless gateway fix, compared as they are. */
const HEADERS = [
  'content-type', 'content-length', 'content-range', 'content-disposition', 'etag', 'location', 'cache-control',
  'accept-ranges', 'x-ipfs-roots', 'x-content-type-options'
]
const FORMATS = ['raw', 'car', 'tar', 'dag-json', 'dag-cbor', 'json', 'cbor', 'ipns-record', 'nonsense']
const TYPES = [
  'application/vnd.ipld.raw', 'application/vnd.ipld.car', 'application/vnd.ipld.car; version=1; order=dfs; dups=n',
  'application/vnd.ipld.car; version=2', 'application/x-tar', 'application/vnd.ipld.dag-json',
  'application/vnd.ipld.dag-cbor', 'application/json', 'application/cbor', 'text/html', '*/*'
]
const RANGES = ['bytes=0-0', 'bytes=0-4', 'bytes=3-', 'bytes=-4', 'bytes=1048570-1048590', 'bytes=99999999-', 'nonsense']

/** Differences that are meant, each with its reason. `when(ask, ours, theirs)` says where; `parts` are not compared there. */
const JUSTIFIED = [
  {
    why: 'never to be sniffed is no worse than what the specification asks for in fewer places',
    when: (_ask, ours) => ours.headers['x-content-type-options'] === 'nosniff',
    parts: ['x-content-type-options']
  },
  {
    why: 'Kubo takes the type from `filename=`, which names only the download, and encodes its percent signs again',
    when: ask => ask.path.includes('filename='),
    parts: ['content-type', 'location']
  },
  {
    why: '`none` says what the lack of the header says',
    when: (_ask, ours, theirs) => ours.headers['accept-ranges'] === 'none' && theirs.headers['accept-ranges'] == null,
    parts: ['accept-ranges']
  },
  {
    why: 'how long a streamed answer will be need not be said',
    when: (_ask, ours, theirs) => ours.headers['content-length'] == null || theirs.headers['content-length'] == null,
    parts: ['content-length']
  },
  {
    why: 'pages for people are each gateway\'s own: listings, and the views of dag-json and dag-cbor',
    when: (ask, ours, theirs) => theirs.status === 200 && isHtml(ours) && !ask.path.includes('.html') &&
      (!ours.body.equals(theirs.body) || (ask.method === 'HEAD' && theirs.headers['content-type'] == null)),
    parts: ['body', 'content-length', 'etag', 'cache-control', 'accept-ranges', 'content-type', 'x-ipfs-roots']
  },
  {
    why: 'what a download of part of a tree is called is free',
    when: (_ask, ours) => /\.car/.test(ours.headers['content-disposition']),
    parts: ['content-disposition']
  },
  {
    why: 'a path that leads nowhere is not found in any format; Kubo sends the blocks on the way, or looks at the format first',
    when: (ask, ours, theirs) => ask.path.includes('/none') && ours.status === 404 && [200, 400].includes(theirs.status),
    parts: ['status']
  },
  {
    why: 'no part of an empty file can be had (RFC 9110, 14.1.2)',
    when: (ask, ours) => ask.path.includes('empty.txt') && ask.headers?.range && ours.status === 416,
    parts: ['status']
  },
  {
    why: 'a range that nobody can read is passed over (RFC 9110, 14.2)',
    when: (ask, ours, theirs) => ask.headers?.range === 'nonsense' && ours.status === 200 && theirs.status >= 400,
    parts: ['status']
  },
  {
    why: 'asked for JSON, a directory lists itself in it here; Kubo shows its page',
    when: (ask, ours) => /format=json/.test(ask.path + ask.headers?.accept) || (ask.headers?.accept === 'application/json' &&
      String(ours.headers['content-type']).startsWith('application/json')),
    parts: ['status', 'body', 'content-length', 'content-type', 'etag', 'cache-control', 'location', 'accept-ranges', 'x-ipfs-roots']
  },
  {
    why: 'Kubo\'s router mends doubled slashes before its gateway sees them; here they are refused',
    when: (ask, ours, theirs) => ask.path.includes('//') && ours.status === 400 && theirs.status === 307,
    parts: ['status', 'location']
  },
  {
    why: 'nothing can lie where no CID is named; which of the two errors says so is not fixed',
    when: (ask, ours) => /^\/ip[fn]s\/?(\?.*)?$/.test(ask.path) && ours.status === 404,
    parts: ['status', 'location']
  },
  {
    why: 'what is said about an error or a redirect is each gateway\'s own',
    when: (_ask, _ours, theirs) => theirs.status >= 300,
    parts: [
      'body', 'content-length', 'content-type', 'cache-control', 'etag', 'content-disposition', 'accept-ranges',
      'x-ipfs-roots', 'content-range', 'x-content-type-options'
    ]
  }
]

/** Asks both gateways everything and counts each request as one check. */
export async function compareGateways (checks, node, kubo, roots) {
  const asks = requests(roots)
  for (const ask of asks) {
    await checks.check(`${ask.method ?? 'GET'} ${ask.path} ${JSON.stringify(ask.headers ?? {})}`, async () => {
      const theirs = await send(kubo.gateway, ask)
      const ours = await send(node.url, ask)
      const found = differences(ask, ours, theirs)
      if (found.length > 0) {
        const error = new Error(found.join('\n  '))
        error.stack = error.message
        throw error
      }
    })
  }
  console.log(`${asks.length} requests compared`)
}

function requests (roots) {
  const site = `/ipfs/${roots.site}`
  const large = `${site}/large.bin`
  const paths = [
    `${site}/`, site, `${site}/index.html`, `${site}/style.css`, `${site}/data.json`, `${site}/picture.svg`,
    `${site}/noextension`, `${site}/empty.txt`, `${site}/deep`, `${site}/deep/`, `${site}/deep/er/`,
    `${site}/deep/er/and/deeper/file.txt`, large, `/ipfs/${roots.few}/`, `/ipfs/${roots.sharded}/entry-000042.txt`,
    `/ipfs/${roots.names}/${encodeURIComponent('日本語')}`, `/ipfs/${roots.names}/${encodeURIComponent('🦀 crab')}`,
    `/ipfs/${roots.names}/${encodeURIComponent('c++?&=#')}`, `/ipfs/${roots.names}/%2541`
  ]
  const missing = [
    `${site}/none`, `${site}/style.css/none`, '/ipfs/bafkqaaa', '/ipfs/bafkqaaa/none', '/ipfs/nonsense', '/ipfs/', '/ipfs',
    '/ipfs/bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi', `/ipfs/${roots.sharded}/none`,
    '/ipfs/QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3N', '/ipns/', `/ipfs//${roots.site}`, `/ipfs/${roots.site}//style.css`
  ]
  const asks = []
  for (const path of [...paths, ...missing]) {
    asks.push({ path }, { path, method: 'HEAD' }, { path, headers: { 'if-none-match': '"nonsense"' } })
    asks.push({ path: `${path}?download=true&filename=a%20name.txt` })
  }
  for (const path of [...paths.slice(0, 12), large, ...missing.slice(0, 3)]) {
    for (const format of FORMATS) {
      asks.push({ path: `${path}?format=${format}` })
    }
    for (const accept of TYPES) {
      asks.push({ path, headers: { accept } })
    }
  }
  for (const format of ['raw', 'car']) {
    asks.push({ path: `${large}?format=${format}`, method: 'HEAD' }, { path: `${large}?format=${format}`, headers: { accept: 'text/html' } })
  }
  for (const scope of ['block', 'entity', 'all', 'nonsense']) {
    for (const path of [site, large, `${site}/deep/er`, `/ipfs/${roots.sharded}`, `/ipfs/${roots.sharded}/entry-000042.txt`]) {
      asks.push({ path: `${path}?format=car&dag-scope=${scope}` }, { path: `${path}?format=car&dag-scope=${scope}`, method: 'HEAD' })
    }
  }
  for (const bytes of ['0:', '0:*', '0:0', '5:1048577', '-5:*', '1048576:*', '9:3', 'nonsense']) {
    asks.push({ path: `${large}?format=car&dag-scope=entity&entity-bytes=${bytes}` })
  }
  for (const range of RANGES) {
    for (const path of [large, `${site}/data.json`, `${site}/empty.txt`, `${large}?format=raw`]) {
      asks.push({ path, headers: { range } }, { path, method: 'HEAD', headers: { range } })
    }
  }
  for (const value of ['*', `"${roots.site}"`, `W/"${roots.site}"`, `"x", "${roots.site}"`]) {
    asks.push({ path: `${site}/`, headers: { 'if-none-match': value } }, { path: `${site}?format=car`, headers: { 'if-none-match': value } })
  }
  for (const method of ['POST', 'PUT', 'DELETE']) {
    asks.push({ path: `${site}/index.html`, method })
  }
  return asks
}

function differences (ask, ours, theirs) {
  const meant = JUSTIFIED.filter(({ when }) => when(ask, ours, theirs)).flatMap(({ parts }) => parts)
  if (ours.status !== theirs.status) {
    const says = `ours ${ours.status} says ${start(ours)}; Kubo's ${theirs.status} says ${start(theirs)}`
    return meant.includes('status') ? [] : [says]
  }
  const out = []
  const compare = (part, a, b) => {
    if (a !== b && !meant.includes(part)) {
      out.push(`${part}: ours ${a}, Kubo's ${b}`)
    }
  }
  for (const header of HEADERS) {
    compare(header, shown(header, ours), shown(header, theirs))
  }
  compare('body', content(ours), content(theirs))
  return out
}

// Of an archive its entries count: times and modes are each gateway's own.
function content ({ headers, body }) {
  if (headers['content-type'] !== 'application/x-tar') {
    return `${body.length} bytes, ${hash(body)}`
  }
  const field = (at, length) => body.subarray(at, at + length).toString().split('\0')[0].trim()
  const entries = []
  for (let at = 0; at + 512 <= body.length && body[at] !== 0;) {
    const size = parseInt(field(at + 124, 12), 8) || 0
    const name = [field(at + 345, 155), field(at, 100)].filter(Boolean).join('/').replace(/\/$/, '')
    entries.push([name, field(at + 156, 1), size, hash(body.subarray(at + 512, at + 512 + size))].join(' '))
    at += 512 + Math.ceil(size / 512) * 512
  }
  return entries.sort().join('\n')
}

function hash (bytes) {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16)
}

function start (answer) {
  return JSON.stringify(answer.body.subarray(0, 200).toString())
}

// What a header says. Of a type its parameters are free; of a CAR's tag all after the CID; a name may be quoted or encoded.
function shown (header, answer) {
  const value = answer.headers[header]
  switch (value == null ? '' : header) {
    case 'content-type': return value.split(';')[0].toLowerCase()
    case 'etag': return value.replace(/\.car\..*$/, '.car')
    case 'content-disposition': {
      const name = /filename\*=UTF-8''([^;]*)/.exec(value)?.[1]
      return `${value.split(';')[0]} ${name == null ? /filename="([^"]*)"/.exec(value)?.[1] : decodeURIComponent(name)}`
    }
    default: return value
  }
}

function isHtml (answer) {
  return String(answer.headers['content-type']).startsWith('text/html')
}

function send (base, { path, method = 'GET', headers = {} }) {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(base)
    const sent = httpRequest({ hostname, port, path, method, headers }, answer => {
      const pieces = []
      answer.on('data', piece => pieces.push(piece))
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces) }))
      answer.on('error', reject)
    })
    sent.on('error', reject)
    sent.end()
  })
}
