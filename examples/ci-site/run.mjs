// A site that a CI job publishes by a token that reaches one path: sealed first, then for everybody under the same name.

import { deepStrictEqual, doesNotMatch, match, ok, rejects, strictEqual } from 'node:assert'
import { execFile } from 'node:child_process'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { binary, say, startNode } from '../start.mjs'
import { readAction } from './action.mjs'

const SITE = fileURLToPath(new URL('site', import.meta.url))
const ACTION = fileURLToPath(new URL('../../packaging/publish-action/action.yml', import.meta.url))

const node = await startNode()
try {
  await example(node)
} finally {
  await node.stop()
}

async function example (node) {
  const passphrase = ['--passphrase-file', join(node.dir, 'passphrase')]
  const wallet = ['--wallet', 'main', ...passphrase]
  const place = `@${node.account}/site`
  const address = `${node.core}/site/`
  const text = async response => (await response).text()

  say('The owner makes a key for this device, to open what is sealed, and a token that reaches `site` for a day.')
  await node.run(['key', 'new', 'laptop', ...wallet])
  const { token, id } = await node.json(['token', 'new', '--for', 'publish', '--path', 'site', '--expires', '1d', ...wallet])

  const action = await readAction(ACTION)
  const job = inputs => action({ path: SITE, to: place, token, node: node.url, kubelt: binary(), ...inputs })

  say('The CI job publishes the site sealed to its owner.')
  const sealed = await job({ 'seal-to': node.account })
  const ciphertext = await text(node.anonymous(address.slice(0, -1)))
  ok(ciphertext.length > 1_000)
  doesNotMatch(ciphertext, /edition/)
  await readableBy(node, passphrase, place)
  say(`  ${sealed.url} is ciphertext to everybody else (${sealed.cid})`)

  const name = String(await node.run(['name', 'show', '@me'])).trim()
  say('On its day the same job publishes it for everybody, under the same name.')
  const revealed = await job()
  match(await text(node.anonymous(address)), /The new edition is here/)
  match(await text(node.anonymous(`/ipns/${name}/site/`)), /The new edition is here/)
  match(await text(node.anonymous(`/ipfs/${revealed.cid}/style.css`)), /color-scheme/)
  say(`  ${revealed.url} and /ipns/${name}/site/ (${revealed.cid})`)

  say('The token reaches nothing else, and nothing at all once the owner has ended it.')
  await rejects(job({ to: `@${node.account}/elsewhere` }), /you may not write at `content\/elsewhere`/)
  await node.run(['token', 'end', id])
  await rejects(job(), /sign in/)
  strictEqual((await node.anonymous(address)).status, 200)
  say('All of it is so.')
}

/** The owner opens what is sealed, and finds the site in it. */
async function readableBy (node, passphrase, place) {
  const tar = join(node.dir, 'review.tar')
  await node.run(['open', place, '-o', tar, ...passphrase])
  await promisify(execFile)('tar', ['-xf', tar, '-C', node.dir])
  const files = (await readdir(SITE)).sort()
  deepStrictEqual((await readdir(join(node.dir, 'site'))).sort(), files)
  for (const file of files) {
    deepStrictEqual(await readFile(join(node.dir, 'site', file)), await readFile(join(SITE, file)))
  }
}
