import { expect, test } from 'vitest'
import { bundle } from './browser/bundle.js'

/** What a page loads that uses only this, in bytes of gzip, and the most that it may be. */
const USES: [what: string, module: string, bytesMax: number][] = [
  ['a client', "export { Client } from '@kubelt/sdk'", 2_500],
  ['a check of a proof', "export { verifyProof } from '@kubelt/sdk'", 50_000],
  ['a sign-in', "export { Client, Session, walletSigner, indexedDbStorage } from '@kubelt/sdk'", 50_000],
  ['a core', "export { Client, Session, Core, walletSigner, indexedDbStorage } from '@kubelt/sdk'", 72_000],
  ['everything', "export * from '@kubelt/sdk'", 105_000],
]

test.each(USES)('%s is no more than it has to be', async (what, module, bytesMax) => {
  const { gzipBytes } = await bundle(module)
  console.log(`${what}: ${gzipBytes} bytes`)
  expect(gzipBytes).toBeLessThan(bytesMax)
  expect(gzipBytes).toBeGreaterThan(200)
})
