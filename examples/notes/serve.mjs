// The page, built by Vite and served before a node: what is not the page's is the node's.

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const WEB = fileURLToPath(new URL('../../web/', import.meta.url))
const { build, preview } = await import(pathToFileURL(createRequire(join(WEB, 'package.json')).resolve('vite')))

/** Builds the page into `outDir` and serves it; gives `url` and `stop()`. */
export async function servePage (node, outDir) {
  const config = {
    configFile: false,
    logLevel: 'error',
    root: join(HERE, 'page'),
    // In a project of your own the package is in `node_modules`.
    resolve: { alias: { '@kubelt/sdk': join(WEB, 'sdk/src/index.ts') } },
    build: { outDir, target: 'es2023', emptyOutDir: true },
    // A sign-in names the host that the browser sees, so that is kept.
    preview: { host: '127.0.0.1', port: 0, proxy: { '^/[-@]': { target: node.url, changeOrigin: false, ws: true } } }
  }
  await build(config)
  const server = await preview(config)
  const { port } = server.httpServer.address()
  return { url: `http://127.0.0.1:${port}/`, stop: () => server.close() }
}
