/** Receipts: whether a stranger can fetch what is published, way by way. */

import type { Schemas } from '@kubelt/sdk'
import type { OpenCore } from '../../state/open-core.svelte.js'

export type Way = Schemas['WayView']

const WAYS: Readonly<Record<string, string>> = {
  'http-path': 'Over HTTP, by its address',
  'http-cid': 'Over HTTP, by its CID',
  peer: 'From this node, peer to peer',
  host: 'From another host of the core',
  dht: 'Found in the DHT',
  ipns: 'By the core’s IPNS name',
  pinning: 'From a pinning service',
}

export function nameOfWay(way: string): string {
  return WAYS[way] ?? way
}

/**
 * Has the node try each way, and gives each as soon as it is known.
 *
 * @throws NetworkError, ProblemError.
 */
export async function* receipt(open: OpenCore, path: string, signal: AbortSignal): AsyncGenerator<Way> {
  const address = path.split('/').map(encodeURIComponent).join('/')
  const headers = { accept: 'application/x-ndjson' }
  const response = await open.core.session.client.send(`/@${open.core.id}/-/receipts/${address}`, { headers, signal })
  let isFirst = true
  for await (const line of linesOf(response)) {
    if (!isFirst) yield JSON.parse(line) as Way
    isFirst = false
  }
}

async function* linesOf(response: Response): AsyncGenerator<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
    const lines = (rest + read.value).split('\n')
    rest = lines.pop() ?? ''
    yield* lines.filter((line) => line !== '')
  }
  if (rest !== '') yield rest
}
