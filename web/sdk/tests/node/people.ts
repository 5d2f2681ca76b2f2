import { Client } from '../../src/api/client.js'
import { Core } from '../../src/local/core.js'
import { memoryStorage, type Storage } from '../../src/local/storage.js'
import { createCore, type NewCore } from '../../src/members/cores.js'
import { Session } from '../../src/session/session.js'
import { keySigner } from '../../src/session/signer.js'
import { newSecret, type TestNode } from './start.js'

/** A network that can be cut, and that breaks uploads off. */
export function network(node: TestNode) {
  const state = { up: true, uploadsLeft: Number.POSITIVE_INFINITY, sent: 0 }
  const fetcher: typeof fetch = async (input, init) => {
    const isUpload = String(input).includes('/-/car')
    if (!state.up || (isUpload && state.uploadsLeft-- <= 0)) throw new TypeError('fetch failed')
    if (isUpload && init?.body instanceof Uint8Array) state.sent += init.body.length
    return fetch(input, init)
  }
  return { state, client: new Client(node.url, { fetch: fetcher }) }
}

/** Somebody who is signed in, on a device of their own. */
export async function someone(node: TestNode, storage: Storage = memoryStorage(), secret = newSecret()) {
  const { state, client } = network(node)
  const signer = keySigner(secret)
  const session = await Session.signIn(client, signer, { storage })
  return { state, client, session, secret, signer, account: signer.account, core: await Core.open(session) }
}

/** Who is signed in. */
export type Person = Awaited<ReturnType<typeof someone>>

/** The same person on another device. */
export function otherDevice(node: TestNode, { secret }: { secret: string }) {
  return someone(node, memoryStorage(), secret)
}

/** A person's part in a core of several people: a session that covers it, and the core, up to date. */
export async function partIn(person: Person, core: string): Promise<Core> {
  const session = await Session.signIn(person.client, person.signer, { cores: [{ core }] })
  const part = await Core.open(session, { core })
  await part.sync()
  return part
}

/** A core of several people, opened by whoever made it. */
export async function team(maker: Person, wanted: NewCore = { name: 'acme' }): Promise<Core> {
  const { id } = await createCore(maker.core, maker.signer, wanted)
  return partIn(maker, id)
}
