import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { chromiumPath } from './chromium.js'

const SKIPPED = 'the SDK in a real browser: there is no `chromium` on this machine'

const source = (file: string) => fileURLToPath(new URL(`src/${file}`, import.meta.url))

export default defineConfig({
  resolve: {
    // Examples in documents name the package.
    alias: [
      { find: /^@kubelt\/sdk$/, replacement: source('index.ts') },
      { find: /^@kubelt\/sdk\/node$/, replacement: source('node.ts') },
    ],
  },
  test: {
    include: ['tests/**/*.test.ts'],
    // Without a browser nothing of it can run; the reporter says so.
    exclude: chromiumPath === undefined ? ['tests/browser/**'] : [],
    reporters: ['dot', ['../tally-reporter.mjs', { skipped: chromiumPath === undefined ? [SKIPPED] : [] }]],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
