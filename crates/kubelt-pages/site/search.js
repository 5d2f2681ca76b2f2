// Finds headings: all words that were typed must begin a word of the heading or of its page's title.

const FOUND_MAX = 12
const input = document.querySelector('#search')
const found = document.querySelector('#found')
let entries

document.querySelector('search').hidden = false
input.addEventListener('focus', load, { once: true })
input.addEventListener('input', show)
input.addEventListener('keydown', event => {
  if (event.key === 'Escape') input.value = ''
  if (event.key === 'Escape') show()
  if (event.key === 'ArrowDown' || event.key === 'Enter') step(event, found.querySelector('a'))
})
found.addEventListener('keydown', event => {
  const here = document.activeElement.closest('li')
  if (event.key === 'ArrowDown') step(event, here?.nextElementSibling?.querySelector('a'))
  if (event.key === 'ArrowUp') step(event, here?.previousElementSibling?.querySelector('a') ?? input)
  if (event.key === 'Escape') step(event, input)
})
document.addEventListener('click', event => {
  if (!event.target.closest('search')) found.hidden = true
})
document.addEventListener('keydown', event => {
  if (event.key === '/' && !event.target.closest('input')) step(event, input)
})

function step(event, to) {
  if (!to) return
  event.preventDefault()
  if (event.key === 'Enter') to.click()
  else to.focus()
}

async function load() {
  const answer = await fetch('/_/docs/search.json')
  entries = (await answer.json()).map(([href, title, heading]) => ({
    href, title, heading, words: words(`${title} ${heading}`),
  }))
  show()
}

function words(text) {
  return text.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean)
}

function show() {
  const asked = words(input.value)
  const matches = (entries ?? []).filter(entry => asked.every(part => entry.words.some(word => word.startsWith(part))))
  // Titles before headings.
  matches.sort((one, other) => (one.heading !== '') - (other.heading !== ''))
  found.hidden = asked.length === 0 || entries === undefined
  found.replaceChildren(...matches.slice(0, FOUND_MAX).map(line))
  if (matches.length === 0) found.append(nothing())
}

function line({ href, title, heading }) {
  const [item, link, page] = ['li', 'a', 'small'].map(name => document.createElement(name))
  link.href = href
  link.textContent = heading || title
  page.textContent = heading ? title : 'Page'
  link.append(page)
  link.addEventListener('click', () => { found.hidden = true })
  item.append(link)
  return item
}

function nothing() {
  const item = document.createElement('li')
  item.className = 'none'
  item.textContent = 'No heading has these words.'
  return item
}
