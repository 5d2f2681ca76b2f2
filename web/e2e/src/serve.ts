import { existsSync, readFileSync, statSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
}
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self' ws: wss:; worker-src 'self'; manifest-src 'self'"

/** Serves a built console at `/_/` before a node, instead of the one in it: for who works on it, without a build of the node. */
export async function serveConsole(nodeUrl: string, dist: string): Promise<{ url: string; close(): void }> {
  const server = createServer((asked, answer) => {
    const { pathname } = new URL(asked.url ?? '/', nodeUrl)
    if (pathname.startsWith('/_/')) {
      const file = join(dist, normalize(pathname.slice('/_/'.length)))
      const found = existsSync(file) && statSync(file).isFile() ? file : join(dist, 'index.html')
      const type = TYPES[extname(found)] ?? 'application/octet-stream'
      answer.writeHead(200, { 'content-type': type, 'content-security-policy': POLICY })
      answer.end(readFileSync(found))
      return
    }
    const { method, headers } = asked
    const passed = request(new URL(asked.url ?? '/', nodeUrl), { method, headers }, (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers)
      got.pipe(answer)
    })
    passed.on('error', () => answer.destroy())
    asked.pipe(passed)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, close: () => void server.close() }
}
