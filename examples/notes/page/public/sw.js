// Keeps the page itself on the device: from the network where there is one, as it was last otherwise. What is the node's
// (`/-/…`, `/@…`) is none of its business; the SDK keeps that.

addEventListener('install', () => skipWaiting())
addEventListener('activate', event => event.waitUntil(clients.claim()))
addEventListener('fetch', event => {
  const { pathname, origin } = new URL(event.request.url)
  if (origin === location.origin && !/^\/[-@]/.test(pathname)) event.respondWith(answer(event.request))
})

async function answer (request) {
  const kept = await caches.open('page')
  try {
    const fresh = await fetch(request)
    await kept.put(request, fresh.clone())
    return fresh
  } catch {
    return await kept.match(request) ?? Response.error()
  }
}
