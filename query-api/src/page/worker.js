// Keeps the page on the phone, so that it opens while the server cannot be reached. The network comes first, so that a
// newer page replaces it; what it keeps is the page alone, the same for every code, and nothing of a person.
const PARTS = ["page.html", "page.js", "page.css"];
const PATIENCE_MS = 3000;

self.addEventListener("install", (event) => {
  const kept = caches.open("page").then((cache) => cache.addAll(PARTS));
  event.waitUntil(kept.then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const isOurs = request.method === "GET" && request.url.startsWith(self.registration.scope);
  if (isOurs) event.respondWith(answer(request, request.mode === "navigate" ? "page.html" : request.url));
});

async function answer(request, key) {
  const cache = await caches.open("page");
  try {
    const fresh = await fetch(request.url, { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-cache" });
    if (fresh.ok) await cache.put(key, fresh.clone());
    // A server that is there and broken is as good as none.
    if (fresh.status < 500) return fresh;
  } catch { /* out of reach */ }
  return (await cache.match(key)) ?? Response.error();
}
