/**
 * Keeps the console itself on the device, so that it opens with no network. What cores hold is kept by the SDK. Nothing of
 * the node's API goes through here.
 */

/// <reference lib="webworker" />

declare const self: ServiceWorkerGlobalScope
/** Every file of the build; put in by `service-worker.plugin.ts`. */
declare const FILES: readonly string[]

const SHELL = '/_/'
const PREFIX = 'console-'
/** Files are named by their hash, so their names name the version. */
const CACHE = PREFIX + [...FILES].reduce((hash, file) => [...file].reduce(mix, hash), 7).toString(36)

function mix(hash: number, letter: string): number {
  return (Math.imul(hash, 31) + (letter.codePointAt(0) ?? 0)) >>> 0
}

self.addEventListener('install', (event) => {
  const fill = async () => {
    const cache = await caches.open(CACHE)
    await cache.addAll([SHELL, ...FILES.filter((file) => file !== 'index.html').map((file) => SHELL + file)])
    await self.skipWaiting()
  }
  event.waitUntil(fill())
})

self.addEventListener('activate', (event) => {
  const tidy = async () => {
    const names = await caches.keys()
    await Promise.all(
      names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)),
    )
    await self.clients.claim()
  }
  event.waitUntil(tidy())
})

self.addEventListener('fetch', (event) => {
  const { request } = event
  const { origin, pathname } = new URL(request.url)
  if (request.method !== 'GET' || origin !== self.location.origin || !pathname.startsWith(SHELL)) return
  if (pathname.startsWith(`${SHELL}docs`)) return
  event.respondWith(request.mode === 'navigate' ? page(request) : file(request))
})

/** The page as the node has it now; as it was, where there is no network. */
async function page(request: Request): Promise<Response> {
  try {
    return await fetch(request)
  } catch (error) {
    const kept = await caches.match(SHELL)
    if (kept) return kept
    throw error
  }
}

async function file(request: Request): Promise<Response> {
  return (await caches.match(request)) ?? fetch(request)
}
