// The same trees imported by both: the same CIDs, and CARs that the other one reads.

import { join } from 'node:path'

const LEGACY = ['--chunker=size-262144', '--raw-leaves', '--cid-version=1']
/** Our profiles, and how Kubo is told the same: a profile of its own, or flags over its defaults. */
const PROFILES = {
  'unixfs-v1-legacy': { flags: LEGACY },
  'unixfs-v0-2015': { profile: 'unixfs-v0-2015', flags: [] },
  'unixfs-v1-2025': { profile: 'unixfs-v1-2025', flags: [] }
}

/** Gives the roots that Kubo gave with the profile `unixfs-v1-2025`, by tree. */
export async function compareCids (checks, node, kubo, dir, trees) {
  const roots = {}
  for (const [name, { profile, flags }] of Object.entries(PROFILES)) {
    if (profile != null) {
      await kubo.run(['config', 'profile', 'apply', profile])
    }
    for (const tree of trees) {
      const theirs = await kubo.text(['add', '--recursive', '--quieter', '--pin=false', ...flags, join(dir, tree)])
      await checks.check(`CID of ${tree} by ${name}`, async () => {
        const to = `@me/${name}/${tree}`
        const ours = await node.json(['publish', join(dir, tree), '--to', to, '--public', '--profile', name])
        if (ours.cid !== theirs) {
          throw new Error(`ours ${ours.cid}, Kubo's ${theirs}`)
        }
      })
      roots[tree] = theirs
    }
  }
  return roots
}

/** What one exports the other imports, in both directions; every block counts. */
export async function exchangeCars (checks, node, kubo, roots) {
  for (const [tree, root] of Object.entries(roots)) {
    await checks.check(`Kubo's CAR of ${tree} here`, async () => {
      const car = await kubo.run(['dag', 'export', '--progress=false', root])
      const found = await node.importCar(car, { at: `from-kubo/${tree}` })
      same(found, [root])
    })
    await checks.check(`our CAR of ${tree} in Kubo`, async () => {
      const response = await node.anonymous(`/ipfs/${root}?format=car`, { headers: { accept: 'application/vnd.ipld.car' } })
      same(response.status, 200)
      const car = Buffer.from(await response.arrayBuffer())
      // A repository of its own would be purer; that all blocks are there is what `dag stat` of the import tells.
      const stats = await kubo.text(['dag', 'import', '--pin-roots=false', '--stats'], { input: car })
      const blocks = Number(/Imported (\d+) blocks/.exec(stats)?.[1])
      const theirs = await kubo.text(['dag', 'stat', '--progress=false', '--enc=json', root])
      same(blocks, JSON.parse(theirs.split('\n').at(-1)).UniqueBlocks)
    })
  }
}

function same (found, expected) {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`found ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`)
  }
}
