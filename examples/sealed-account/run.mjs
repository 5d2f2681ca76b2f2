// The address of a bank account, sealed to an accounting service that publishes its keys, and to a colleague.

import { doesNotMatch, rejects, strictEqual } from 'node:assert'
import { installed } from '../packages.mjs'
import { PASSPHRASE, person } from '../people.mjs'
import { say, startNode } from '../start.mjs'

installed(new URL('.', import.meta.url))
const { startAccounting } = await import('./accounting.mjs')

const IBAN = 'DE89 3704 0044 0532 0130 00'

const accounting = await startAccounting()
const node = await startNode({ person: false, env: PASSPHRASE })
try {
  await example()
} finally {
  await node.stop()
  accounting.stop()
}

async function example () {
  const [ann, bob, eve] = await Promise.all(['ann', 'bob', 'eve'].map(name => person(node, name)))
  for (const { run } of [ann, bob, eve]) await run(['key', 'new', 'laptop'])

  say('Ann seals the address of an account to the keys of her accounting service, on her own machine.')
  const to = ['--to', `jwks:${accounting.keys}`]
  const { cid } = await ann.json(['seal', '-', ...to, '--as', '@me/bank/iban', '--public'], { input: IBAN })
  const message = `${node.url}/ipfs/${cid}`
  doesNotMatch(await text(message), /DE89/)
  strictEqual(await accounting.read(message), IBAN)
  say(`  ${message} is a JSON Web Encryption. The service opens it with npm \`jose\`; everybody else has ciphertext.`)

  say('She seals it to Bob, too: his device opens it by HPKE.')
  await ann.run(['seal', '-', '--to', bob.account, '--as', '@me/box/iban', '--public'], { input: IBAN })
  const place = `@${ann.account}/box/iban`
  strictEqual(await bob.run(['open', place]), IBAN)
  await rejects(eve.run(['open', place]), /none of which is on this machine/)
  say('  Eve, who may fetch it as anybody may, does not open it.')

  say('Bob leaves. What Ann writes from now on he cannot open.')
  await ann.run(['grant', 'rm', '@me/box/iban', '--to', bob.account])
  await rejects(bob.run(['open', place]), /none of which is on this machine/)
  strictEqual(await ann.run(['open', '@me/box/iban']), IBAN)
  say('All of it is so.')
}

async function text (url) {
  return (await fetch(url)).text()
}
