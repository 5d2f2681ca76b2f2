// `ipfs-car`: packs what the node takes, and unpacks what the node gives.

import { deepStrictEqual as equal, ok } from 'node:assert'
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const PROGRAM = fileURLToPath(new URL('node_modules/ipfs-car/bin.js', import.meta.url))

export async function checkCars (checks, { node, dir, files, cid }) {
  const exec = promisify(execFile)
  const run = async (...args) => (await exec(process.execPath, [PROGRAM, ...args], { cwd: dir })).stdout.trim()

  await checks.check('what ipfs-car packs is taken whole', async () => {
    await run('pack', 'site', '--no-wrap', '--output', 'packed.car')
    const root = await run('roots', 'packed.car')
    equal(await node.importCar(readFileSync(join(dir, 'packed.car')), { at: 'packed' }), [root])
    for (const [path, bytes] of Object.entries(files)) {
      const response = await node.anonymous(`/ipfs/${root}/${encodeURI(path)}`)
      equal(response.status, 200, path)
      ok(Buffer.from(await response.arrayBuffer()).equals(Buffer.from(bytes)), `${path}: other bytes`)
    }
  })
  await checks.check('ipfs-car unpacks what the node gives', async () => {
    const response = await node.anonymous(`/ipfs/${cid}?format=car`)
    equal(response.status, 200)
    writeFileSync(join(dir, 'given.car'), Buffer.from(await response.arrayBuffer()))
    equal(await run('roots', 'given.car'), cid)
    await run('unpack', 'given.car', '--output', 'unpacked')
    for (const [path, bytes] of Object.entries(files)) {
      ok(readFileSync(join(dir, 'unpacked', path)).equals(Buffer.from(bytes)), `${path}: other bytes`)
    }
  })
}
