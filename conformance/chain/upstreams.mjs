// Upstreams that misbehave: they stand before a chain and pass on, hang, or lie.

import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'

/**
 * Starts an upstream. `answer(call, ask)` gives the result of one JSON-RPC call; `ask()` gives the chain's own. What it
 * throws is answered as an error, and a promise that never ends hangs.
 *
 * @returns `url`, `calls` (the methods that were called so far), `stop()`
 */
export async function startUpstream (chain, answer = (_call, ask) => ask()) {
  const calls = []
  const server = createServer(async (request, response) => {
    const body = await text(request)
    const call = JSON.parse(body)
    calls.push(call.method)
    const ask = async () => {
      const passed = await fetch(chain.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      const { result, error } = await passed.json()
      if (error) throw Object.assign(new Error(error.message), { code: error.code })
      return result
    }
    let reply
    try {
      reply = { result: await answer(call, ask) }
    } catch ({ code = -32000, message }) {
      reply = { error: { code, message } }
    }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ jsonrpc: '2.0', id: call.id, ...reply }))
  })
  await new Promise(done => server.listen(0, '127.0.0.1', done))
  const stop = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${server.address().port}`, calls, stop }
}

/** What the node's program returns where it found this (`crates/kubelt-chain/src/program.rs`). */
export const found = number => `0x${Buffer.from(`kubelt signature check, answer ${number}`).toString('hex')}`

/** An answer that never comes. */
export const never = () => new Promise(() => {})
