// Solana accounts sign in: the message is one of Sign In With Solana as the wallet standard writes and reads it, and the
// signature Ed25519 over its bytes.

import { generateKeyPairSync, sign } from 'node:crypto'
import { createSignInMessageText, parseSignInMessageText, verifySignIn } from '@solana/wallet-standard-util'
import { base58btc } from 'multiformats/bases/base58'

const MAINNET = '5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp'

/** @param tools `checks`, `node`, `post` of the caller */
export async function solana ({ checks, node, post }) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = new Uint8Array(Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url'))
  const address = base58btc.encode(raw).slice(1)
  const account = `solana:${MAINNET}:${address}`
  const challenge = async () => (await post(node, '/-/session/challenge', { account })).body.message
  const signIn = (message, signature) =>
    post(node, '/-/session', { message, signature: `0x${Buffer.from(signature).toString('hex')}` })

  const message = await challenge()
  const input = parseSignInMessageText(message)
  await checks.equal('the wallet standard reads the message', input?.address, address)
  await checks.equal('and writes the same', createSignInMessageText(input), message)
  const bytes = new TextEncoder().encode(message)
  const signature = new Uint8Array(sign(null, bytes, privateKey))
  const output = { account: { address, publicKey: raw, chains: [], features: [] }, signedMessage: bytes, signature }
  await checks.equal('and finds the signature good', verifySignIn(input, output), true)
  const opened = await signIn(message, signature)
  await checks.equal('a Solana account signs in', [opened.status, opened.body.account], [201, account])
  const authorization = `Bearer ${opened.body.token}`
  const written = await node.anonymous(`${opened.body.path}/-/content/a.txt`, { method: 'PUT', headers: { authorization }, body: 'a' })
  await checks.equal('and writes into its core', written.status, 201)

  await checks.equal('a message counts once', (await signIn(message, signature)).status, 401)
  const other = await challenge()
  await checks.equal('a signature of another message', (await signIn(other, signature)).status, 401)
  const third = await challenge()
  const foreign = sign(null, Buffer.from(third), generateKeyPairSync('ed25519').privateKey)
  await checks.equal('a signature by another key', (await signIn(third, foreign)).status, 401)
  // The key of order one makes all-zero signatures hold for a check that is not strict.
  const weak = await post(node, '/-/session/challenge', { account: `solana:${MAINNET}:${base58btc.encode(new Uint8Array([1, ...new Array(31).fill(0)])).slice(1)}` })
  const zeros = weak.status === 200 && await signIn(weak.body.message, new Uint8Array([1, ...new Array(63).fill(0)]))
  await checks.equal('a key of small order', zeros === false ? 401 : zeros.status, 401)
}
