// Kubo as judge: the same CIDs, CARs both ways, the same answers of both gateways, IPNS records both ways.
// `cargo xtask conformance kubo` builds Kubo and names it in KUBO.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Checks } from '../checks.mjs'
import { startNode } from '../node.mjs'
import { compareCids, exchangeCars } from './cids.mjs'
import { compareGateways } from './gateways.mjs'
import { exchangeRecords, inspectOurs } from './records.mjs'
import { startKubo } from './kubo.mjs'
import { writeTrees } from './trees.mjs'

const checks = new Checks()
const dir = mkdtempSync(join(tmpdir(), 'kubelt-trees-'))
const trees = writeTrees(dir)
const node = await startNode()
try {
  const kubo = await startKubo()
  try {
    const roots = await compareCids(checks, node, kubo, dir, trees)
    await exchangeCars(checks, node, kubo, roots)
    await compareGateways(checks, node, kubo, roots)
    await exchangeRecords(checks, node, kubo, roots)
    await inspectOurs(checks, node, kubo)
  } finally {
    await kubo.stop()
  }
} finally {
  await node.stop()
  rmSync(dir, { recursive: true, force: true })
}
checks.close()
