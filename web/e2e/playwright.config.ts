import { defineConfig } from '@playwright/test'
import { chromium } from './src/chromium.js'

export default defineConfig({
  testDir: 'tests',
  // Without a browser nothing can run; the reporter says so.
  testIgnore: chromium === undefined ? '**' : [],
  outputDir: 'results',
  timeout: 60_000,
  // The machine's cores are the node's and the browser's, too.
  workers: 1,
  forbidOnly: true,
  reporter: './src/tally-reporter.ts',
  use: {
    launchOptions: {
      ...(chromium !== undefined && { executablePath: chromium }),
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    },
    locale: 'en-GB',
    trace: 'off',
    screenshot: 'only-on-failure',
  },
})
