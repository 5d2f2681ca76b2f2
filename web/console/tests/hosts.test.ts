import type { HostName } from '@kubelt/sdk'
import { expect, test } from 'vitest'
import { certificateOf, proofOf, sentence } from '../src/pages/names/hosts.js'

const VIEW: HostName = {
  host: 'widgets.example',
  bound: true,
  leads_here: false,
  state: 'unproved',
  why: 'no record in the DNS names this core',
  records: [],
}

test('every state of a proof is said, and one that this console does not know is passed on', () => {
  expect(proofOf(undefined).text).toBe('Not known here')
  expect(proofOf(VIEW)).toEqual({ tone: 'warn', text: 'No record yet' })
  expect(proofOf({ ...VIEW, state: 'proved', leads_here: true })).toEqual({ tone: 'good', text: 'Leads here' })
  expect(proofOf({ ...VIEW, state: 'proved' }).text).toBe('Proved, not bound')
  expect(proofOf({ ...VIEW, state: 'another' }).tone).toBe('bad')
  expect(proofOf({ ...VIEW, state: 'new-kind' })).toEqual({ tone: 'plain', text: 'new-kind' })
})

test('a certificate is said with what is wrong with it', () => {
  const said = (certificate: HostName['certificate']) => certificateOf({ ...VIEW, certificate: certificate ?? null })
  expect(said(null)).toMatch(/ends no TLS/)
  expect(said({ state: 'given' })).toBe('The operator gave one.')
  expect(said({ state: 'held', until: '2026-08-01T00:00:00Z', next: '2026-07-01T00:00:00Z' })).toMatch(
    /^There is one until .+2026.+\. The next one is asked for .+2026.+\.$/,
  )
  expect(said({ state: 'wanted', failure: 'the authority is busy' })).toBe('One is asked for. The authority is busy.')
  expect(said({ state: 'none', failure: 'none is asked for before the host leads here' })).toBe(
    'There is none. None is asked for before the host leads here.',
  )
})

test('what the node says becomes a sentence', () => {
  expect(sentence(VIEW.why)).toBe('No record in the DNS names this core.')
  expect(sentence('Done.')).toBe('Done.')
})
