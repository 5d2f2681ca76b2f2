// Chromium with a virtual authenticator, driven over a pipe (Chrome DevTools Protocol): no package is needed for it.

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']
const ANSWER_MS_MAX = 60_000

/** The name of a Chromium on this machine, if there is one. */
export function findChromium () {
  return NAMES.find(name => spawnSync(name, ['--version']).status === 0)
}

/**
 * Opens a page of `url` in a browser of its own.
 *
 * @returns `run(script)` evaluates a script there and gives what its promise gives; `verify(yes)` says whether the
 *   authenticator verifies its user; `close()` ends the browser
 */
export async function openBrowser (name, url) {
  const dir = mkdtempSync(join(tmpdir(), 'kubelt-chromium-'))
  const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run']
  const child = spawn(name, [...flags, '--remote-debugging-pipe', `--user-data-dir=${dir}`, 'about:blank'],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] })
  process.once('exit', () => child.kill('SIGKILL'))
  const ended = new Promise(done => child.once('exit', done))
  const waiting = new Map()
  let last = 0
  let rest = ''
  child.stdio[4].setEncoding('utf8')
  child.stdio[4].on('data', text => {
    const messages = (rest + text).split('\0')
    rest = messages.pop()
    for (const { id, result, error } of messages.map(message => JSON.parse(message))) {
      const answer = waiting.get(id)
      waiting.delete(id)
      if (answer && error) answer.refuse(new Error(error.message))
      else answer?.done(result)
    }
  })
  const send = (method, params = {}, sessionId) => new Promise((resolve, reject) => {
    const id = ++last
    const late = setTimeout(() => reject(new Error(`${method} was not answered`)), ANSWER_MS_MAX)
    const settle = end => value => { clearTimeout(late); end(value) }
    waiting.set(id, { done: settle(resolve), refuse: settle(reject) })
    child.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + '\0')
  })

  const { targetId } = await send('Target.createTarget', { url: 'about:blank' })
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true })
  const page = (method, params) => send(method, params, sessionId)
  await page('WebAuthn.enable')
  const { authenticatorId } = await page('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true
    }
  })
  await page('Page.enable')
  await page('Page.navigate', { url })
  const run = async script => {
    const { result, exceptionDetails } =
      await page('Runtime.evaluate', { expression: script, awaitPromise: true, returnByValue: true, userGesture: true })
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  }
  const close = async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(dir, { recursive: true, force: true })
  }
  // Until the page is there, its origin is that of an empty one.
  while (await run('location.origin').catch(() => '') !== new URL(url).origin) {
    await new Promise(resolve => setImmediate(resolve))
  }
  return { run, close, verify: yes => page('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: yes }) }
}
