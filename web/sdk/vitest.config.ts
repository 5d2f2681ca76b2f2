import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

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
    reporters: ['dot', '../tally-reporter.mjs'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
