// A passkey that a real browser makes and uses: it signs in, is invited, and signs an invite itself.

import { ok, strictEqual } from 'node:assert'
import { Checks } from '../checks.mjs'
import { must, startNode } from '../node.mjs'
import { findChromium, openBrowser } from './browser.mjs'

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

const CREATE = `(async () => {
  const credential = await navigator.credentials.create({ publicKey: {
    challenge: new Uint8Array(32), rp: { name: 'Kubelt', id: 'localhost' },
    user: { id: new Uint8Array(16), name: 'ann', displayName: 'Ann' },
    pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' }
  } })
  return [...new Uint8Array(credential.response.getPublicKey())]
})()`

const get = (challenge, userVerification = 'required') => `(async () => {
  const text = ${JSON.stringify(challenge)}.replaceAll('-', '+').replaceAll('_', '/')
  const challenge = Uint8Array.from(atob(text), c => c.charCodeAt(0))
  const publicKey = { challenge, rpId: 'localhost', userVerification: '${userVerification}' }
  return (await navigator.credentials.get({ publicKey })).toJSON().response
})()`

const checks = new Checks()
const chromium = findChromium()
if (chromium == null) {
  checks.cannotRun('passkeys of Chromium', 'there is no `chromium` on this machine')
} else {
  const node = await startNode()
  // WebAuthn knows names only.
  const home = `http://localhost:${node.port}`
  const browser = await openBrowser(chromium, home)
  try {
    await check(node, home, browser)
  } finally {
    await browser.close()
    await node.stop()
  }
}
checks.close()

async function check (node, home, browser) {
  const ask = (path, token, body) => fetch(home + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body)
  })
  const json = async (...args) => (await must(ask(...args))).json()

  const account = did(await browser.run(CREATE))
  const signIn = async (cores, change = passkey => passkey) => {
    const { message, passkey_challenge: challenge } = await json('/-/session/challenge', null, { account, cores })
    return ask('/-/session', null, { message, passkey: change(await browser.run(get(challenge))) })
  }

  let core
  await checks.check('a browser signs in with its passkey', async () => {
    const created = await (await must(signIn([]))).json()
    strictEqual(created.account, account)
  })
  await checks.check('a passkey is invited and signs an invite', async () => {
    const signing = ['--passphrase-file', 'passphrase']
    core = (await node.json(['core', 'create', '@me/acme', ...signing])).core
    await node.run(['member', 'invite', '@acme', account, 'owner', ...signing])
    const { token } = await (await must(signIn([{ core }]))).json()
    const act = { grant: { to: ['0x00000000000000000000000000000000000000aa'], role: 'reader' } }
    const { drafts: [draft] } = await json(`/@${core}/-/drafts`, token, { act })
    const passkey = await browser.run(get(draft.passkey_challenge))
    const post = passkey =>
      ask(`/@${core}/-/ops`, token, { ops: [{ header: draft.header, body: draft.body, passkey }] })
    strictEqual((await post({ ...passkey, signature: passkey.clientDataJSON })).status, 422)
    const { ops } = await (await must(post(passkey))).json()
    ok(ops[0].effective)
  })
  await checks.check('an answer to one challenge opens nothing else', async () => {
    const old = await browser.run(get('A'.repeat(43)))
    strictEqual((await signIn([], () => old)).status, 401)
  })
  await checks.check('a passkey whose user was not verified is refused', async () => {
    await browser.verify(false)
    const { message, passkey_challenge: challenge } = await json('/-/session/challenge', null, { account })
    const passkey = await browser.run(get(challenge, 'discouraged'))
    const refused = await ask('/-/session', null, { message, passkey })
    strictEqual(refused.status, 401)
    ok((await refused.json()).detail.includes('did not verify its user'))
    await browser.verify(true)
  })
  // Authenticators give high and low `s` alike: of twenty answers some are high.
  await checks.check('every signature of the authenticator is taken', async () => {
    for (let n = 0; n < 20; n++) {
      await must(signIn([]))
    }
  })
}

/** The account of a key that a browser gives as SubjectPublicKeyInfo. */
function did (spki) {
  const [x, y] = [spki.slice(-64, -32), spki.slice(-32)]
  let number = BigInt(`0x${Buffer.from([0x80, 0x24, 2 + (y[31] & 1), ...x]).toString('hex')}`)
  let text = ''
  for (; number > 0n; number /= 58n) {
    text = ALPHABET[Number(number % 58n)] + text
  }
  return `did:key:z${text}`
}
