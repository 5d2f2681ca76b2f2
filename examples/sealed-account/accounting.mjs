// An accounting service. It knows nothing of Kubelt: it publishes a key as a JSON Web Key Set (RFC 7517), and opens what is
// encrypted to it (RFC 7516) with a library for that.

import { createServer } from 'node:http'
import { exportJWK, generalDecrypt, generateKeyPair } from 'jose'

/** Starts it: `keys` is where it publishes its keys, `read(url)` opens the message that is there. */
export async function startAccounting () {
  const alg = 'ECDH-ES+A256KW'
  const { publicKey, privateKey } = await generateKeyPair(alg, { crv: 'X25519' })
  const published = { keys: [{ ...await exportJWK(publicKey), kid: '2026', alg, use: 'enc' }] }

  const server = createServer((_request, answer) => {
    answer.setHeader('content-type', 'application/jwk-set+json')
    answer.end(JSON.stringify(published))
  })
  await new Promise(ready => server.listen(0, '127.0.0.1', ready))

  const read = async url => {
    const message = await (await fetch(url)).json()
    const { plaintext } = await generalDecrypt(message, privateKey)
    return new TextDecoder().decode(plaintext)
  }
  return { keys: `http://127.0.0.1:${server.address().port}/jwks.json`, read, stop: () => server.close() }
}
