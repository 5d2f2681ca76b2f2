// Notes that are kept on the device first. Whatever is typed is written to the core here, with or without a network; `live`
// sends it, and takes in what other devices wrote.

import { Client, Core, indexedDbStorage, keySigner, NetworkError, Session, type Signer, walletSigner } from '@kubelt/sdk'
import { begin, type Field, notesOf, remove, write } from './notes.js'

const PAUSE_MS = 300

const storage = indexedDbStorage('notes')
const client = new Client(location.origin)
const signInForm = find<HTMLFormElement>('#sign-in')
const standing = find('#standing')
const key = find<HTMLInputElement>('#key')
/** Fields that were typed into a moment ago. */
const timers = new Map<Element, ReturnType<typeof setTimeout>>()

navigator.serviceWorker?.register('./sw.js')
const session = await Session.restore(client, storage)
if (session) await open(session)
else askToSignIn()

function askToSignIn(): void {
  signInForm.hidden = false
  find('#new-key').onclick = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(32))
    key.value = `0x${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`
  }
  signInForm.onsubmit = (event) => {
    event.preventDefault()
    void signIn(() => keySigner(key.value))
  }
  // Wallets of this browser say that they are there (EIP-6963).
  addEventListener('eip6963:announceProvider', (event) => {
    const { info, provider } = (event as CustomEvent).detail
    const button = Object.assign(document.createElement('button'), { type: 'button', textContent: `Use ${info.name}` })
    button.onclick = () => signIn(() => walletSigner(provider))
    find('#wallets').append(button)
  })
  dispatchEvent(new Event('eip6963:requestProvider'))
}

async function signIn(signer: () => Signer | Promise<Signer>): Promise<void> {
  try {
    // Not more than notes need: to hold a copy of the core, and to write them.
    const abilities = ['read **', 'replicate **', 'put docs/**']
    await open(await Session.signIn(client, await signer(), { storage, abilities }))
  } catch (error) {
    say(error)
  }
}

async function open(session: Session): Promise<void> {
  const core = await Core.open(session)
  signInForm.hidden = true
  find('#notebook').hidden = false
  find('#new-note').onclick = async () => {
    await begin(core)
    find<HTMLInputElement>('article input').focus()
  }
  core.onChange(() => draw(core))
  draw(core)
  core.live({
    onSync: () => draw(core),
    onError: (error) => (error instanceof NetworkError ? draw(core, 'No network. ') : say(error)),
  })
  addEventListener('online', () => core.sync().catch(say))
}

/** Draws what is in the core; what somebody is at is left as it is. */
function draw(core: Core, before = ''): void {
  const list = find('#notes')
  const articles = new Map([...list.querySelectorAll('article')].map((article) => [article.id, article]))
  for (const note of notesOf(core)) {
    const article = articles.get(note.id) ?? list.insertBefore(begun(core, note.id), placeOf(list, note.id))
    articles.delete(note.id)
    for (const field of fieldsOf(article)) if (!timers.has(field)) field.value = note[field.dataset['field'] as Field]
  }
  for (const gone of articles.values()) gone.remove()
  standing.textContent = before + (core.unsent === 0 ? 'All of it is at the node.' : `On this device: ${core.unsent} not sent yet.`)
}

function begun(core: Core, id: string): HTMLElement {
  const copy = document.importNode(find<HTMLTemplateElement>('#note').content, true)
  const article = find<HTMLElement>('article', copy)
  article.id = id
  for (const field of fieldsOf(article)) {
    const keep = async () => {
      if (!timers.has(field)) return
      clearTimeout(timers.get(field))
      timers.delete(field)
      await write(core, id, field.dataset['field'] as Field, field.value).catch(say)
    }
    field.oninput = () => {
      clearTimeout(timers.get(field))
      timers.set(field, setTimeout(keep, PAUSE_MS))
    }
    field.onblur = keep
  }
  find('[data-remove]', article).onclick = () => remove(core, id).catch(say)
  return article
}

function fieldsOf(article: Element): NodeListOf<HTMLInputElement | HTMLTextAreaElement> {
  return article.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>('[data-field]')
}

/** Notes stand in the order of their ids, the newest first. */
function placeOf(list: Element, id: string): Element | null {
  return [...list.children].find((other) => other.id < id) ?? null
}

/** The SDK's errors say what happened, and what to do next. */
function say(error: unknown): void {
  standing.textContent = error instanceof Error ? error.message : String(error)
}

function find<T extends HTMLElement>(selector: string, within: ParentNode = document): T {
  const found = within.querySelector<T>(selector)
  if (!found) throw new Error(`the page has ${selector}`)
  return found
}
