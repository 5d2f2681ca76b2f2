import { expect, test } from 'vitest'
import { endsOnly } from '../src/pages/account/end.js'
import { conditionOf, linesOf, newDraft } from '../src/pages/gates/conditions.js'
import { COLUMN, layout, ROW } from '../src/pages/inside/layout.js'
import { distanceOf, linePath, rates, readFigures, transportOf } from '../src/pages/node/figures.js'
import { messageOf } from '../src/pages/requests/asked.js'
import { pathOf, rulesOf, ruleValue } from '../src/pages/settings/exposure.js'

const leaf = (name: string) => ({ name, core: name, marks: [], parts: [] })

test('a core stands in the middle of those in it', () => {
  const { nodes, height } = layout({
    ...leaf('top'),
    parts: [{ ...leaf('a'), parts: [leaf('a1'), leaf('a2')] }, leaf('b')],
  })
  const at = Object.fromEntries(nodes.map(({ branch, x, y }) => [branch.name, [x / COLUMN, y / ROW]]))
  expect(at).toEqual({ top: [0, 1.25], a: [1, 0.5], a1: [2, 0], a2: [2, 1], b: [1, 2] })
  expect(height).toBeGreaterThan(2 * ROW)
})

test('figures are summed over their labels, and counters become rates', () => {
  const text =
    '# HELP kubelt_x x\nkubelt_x_total{method="GET"} 3\nkubelt_x_total{method="PUT"} 4\nkubelt_y 1.5e3\nnonsense\n'
  expect(Object.fromEntries(readFigures(text))).toEqual({ kubelt_x_total: 7, kubelt_y: 1500 })
  const sample = (at: number, value: number) => ({ at, figures: new Map([['n', value]]) })
  // A node that was started anew counts from nothing.
  expect(rates([sample(0, 0), sample(2000, 10), sample(3000, 2)], 'n')).toEqual([5, 0])
  expect(linePath([0, 10, 5], 100, 20)).toBe('M0.0 20.0L50.0 0.0L100.0 10.0')
})

test('links are told apart by their addresses, and near peers stand near', () => {
  expect(transportOf(['/ip4/127.0.0.1/udp/4001/quic-v1/p2p/12D3'])).toBe('quic')
  expect(transportOf(['/ip4/127.0.0.1/tcp/4001/ws'])).toBe('websocket')
  expect(transportOf(['/ip4/127.0.0.1/tcp/4001'])).toBe('tcp')
  expect(transportOf(['/ip4/127.0.0.1/tcp/4001/p2p/12D3/p2p-circuit'])).toBe('relay')
  expect([0.1, 10, 1000, undefined].map(distanceOf)).toEqual([0, 0.5, 1, 1])
})

test('only a message that ends this session is signed for that', () => {
  const message =
    'Kubelt operation\n\nEnd the sign-in bafyone.\n\nCore: bafycore\nBy: 0xaa\nAct: logout\nOperation: bafyop'
  expect(endsOnly(message, 'bafyone')).toBe(true)
  expect(endsOnly(message, 'bafytwo')).toBe(false)
  expect(endsOnly(message.replace('logout', 'grant'), 'bafyone')).toBe(false)
})

test('conditions of the form are those of the map, and in words', () => {
  const one = { ...newDraft('erc20'), contract: ' 0xaa ', min: '5' }
  const all = {
    ...newDraft('all'),
    parts: [one, { ...newDraft('not'), parts: [{ ...newDraft(), contract: '0xbb', token: '7' }] }],
  }
  expect(conditionOf(all)).toEqual({
    all: [
      { erc20: { chain: 1, contract: '0xaa', min: '5' } },
      { not: { erc721: { chain: 1, contract: '0xbb', token: '7' } } },
    ],
  })
  expect(linesOf(conditionOf(all)).parts.map(({ text }) => text)).toEqual([
    'holds at least 5 of the smallest unit of 0xaa on Ethereum',
    'not this',
  ])
})

test('rules of exposure are read as they were written', () => {
  const [rule] = rulesOf([['config/exposure/drafts', { http: false, ipfs: true }]])
  expect(rule).toEqual({ path: 'drafts', says: { http: 'closed', ipfs: 'open', network: 'unsaid' } })
  expect(pathOf('/drafts/')).toBe('config/exposure/drafts')
  expect(ruleValue({ http: 'closed', ipfs: 'open', network: 'unsaid' })).toEqual({ http: false, ipfs: true })
})

test('a message is shown as text where it is text', () => {
  expect(messageOf('0x68656c6c6f')).toBe('hello')
  expect(messageOf('0xff00')).toBe('0xff00')
  expect(messageOf('plain')).toBe('plain')
})
