import { fileURLToPath } from 'node:url'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'
import { serviceWorker } from './service-worker.plugin.js'

/** Where the development server finds a node. */
const NODE = process.env['KUBELT_NODE'] ?? 'http://127.0.0.1:4747'
const sdk = fileURLToPath(new URL('../sdk/src/index.ts', import.meta.url))

export default defineConfig({
  base: '/_/',
  plugins: [svelte(), serviceWorker()],
  resolve: { alias: [{ find: /^@kubelt\/sdk$/, replacement: sdk }] },
  build: {
    target: 'es2023',
    // Nothing inline: the node's Content-Security-Policy runs files of this folder only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    // Everything but the console itself is the node's. Its sign-ins name the host that the browser sees, so that is kept.
    proxy: { '^/(?!_/)': { target: NODE, changeOrigin: false, ws: true } },
  },
  test: {
    include: ['tests/**/*.test.ts'],
    reporters: ['dot', '../tally-reporter.mjs'],
  },
})
