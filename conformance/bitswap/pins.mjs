// Pins of a node, by its Pinning Service API.

import { setTimeout as pause } from 'node:timers/promises'
import { must } from '../node.mjs'

const MS_MAX = 900_000

/** Pins a CID and waits until all of it is there; gives the pin. */
export async function pinned (node, cid) {
  return watch(node, await add(node, cid), pin => pin.status === 'pinned')
}

/** Pins a CID that nobody has: the node looks for it, and says that it waits. */
export async function untilGone (node, cid) {
  return watch(node, await add(node, cid), pin => pin.status === 'queued' && /missing/.test(pin.info?.status_details))
}

async function add (node, cid) {
  const headers = { 'content-type': 'application/json' }
  const made = await must(node.fetch(`${node.core}/-/pins`, { method: 'POST', headers, body: JSON.stringify({ cid }) }))
  return (await made.json()).requestid
}

async function watch (node, id, isDone) {
  const until = Date.now() + MS_MAX
  for (let wait = 5; ; wait = Math.min(wait * 2, 500)) {
    const pin = await (await must(node.fetch(`${node.core}/-/pins/${id}`))).json()
    if (isDone(pin)) { return pin }
    if (pin.status === 'failed' || Date.now() > until) {
      throw new Error(`the pin is ${pin.status}: ${JSON.stringify(pin.info)}`)
    }
    await pause(wait)
  }
}
