/**
 * What a node tells of a core as it happens: server-sent events, read by `fetch`, which can say who asks.
 *
 * @module
 */

import { NetworkError } from '../errors.js'
import type { Client, Schemas } from './client.js'

/** Longest event that is read, in characters. */
const EVENT_MAX = 1024 * 1024

/**
 * The heads of a core, as they are now and after each change. It ends with the session, and when the node stops.
 *
 * @throws NetworkError where the connection is lost; ProblemError `not-found` where there is nothing to hear, or the node is of
 * an older version.
 */
export async function* headsOf(client: Client, core: string, signal?: AbortSignal): AsyncGenerator<Schemas['Heads']> {
  const headers = { accept: 'text/event-stream' }
  const response = await client.send(`/@${core}/-/events`, { headers, ...(signal && { signal }) })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let heard = ''
  try {
    for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
      heard += read.value
      const events = heard.split('\n\n')
      heard = events.pop() ?? ''
      for (const event of events) {
        const heads = headsIn(event)
        if (heads) yield heads
      }
      if (heard.length > EVENT_MAX) throw new TypeError('an event has no end')
    }
  } catch (error) {
    if (signal?.aborted) return
    throw new NetworkError(client.url, { cause: error })
  } finally {
    await reader?.cancel().catch(() => {})
  }
}

/** What an event says; comments say nothing. */
function headsIn(event: string): Schemas['Heads'] | undefined {
  const lines = event.split('\n')
  if (!lines.includes('event: heads')) return undefined
  const data = lines.find((line) => line.startsWith('data: '))?.slice('data: '.length)
  return data === undefined ? undefined : (JSON.parse(data) as Schemas['Heads'])
}
