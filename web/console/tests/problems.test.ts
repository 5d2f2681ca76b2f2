import {
  AccountSwitchedError,
  NetworkError,
  ProblemError,
  QuotaError,
  RemovedFromCoreError,
  SessionExpiredError,
  SignatureRejectedError,
  UploadInterruptedError,
} from '@kubelt/sdk'
import { expect, test } from 'vitest'
import { explain, inShort } from '../src/problems.js'

test('every kind of trouble has a title of its own, and says what to do next', () => {
  const cases: [Error, string, string, RegExp][] = [
    [new SignatureRejectedError(), 'Nothing was signed', 'retry', /Try again/],
    [new AccountSwitchedError('0xa', '0xb'), 'Your wallet is at another account', 'retry', /Switch back/],
    [new NetworkError('http://n'), 'The node cannot be reached', 'retry', /kept/],
    [new UploadInterruptedError(2, 5), 'The connection was lost', 'retry', /only what is missing/],
    [new SessionExpiredError(), 'Your session is over', 'sign-in', /Sign in again/],
    [new QuotaError('10 of 10 bytes'), 'There is no room left', 'none', /nothing was lost/],
    [new RemovedFromCoreError('bafy', 2), 'You have no part in this core any more', 'cores', /2 of your changes/],
  ]
  for (const [error, title, next, text] of cases) {
    expect(explain(error)).toMatchObject({ title, next, hint: expect.stringMatching(text) })
  }
})

test('what a node says becomes a sentence, with the request to ask about', () => {
  const refused = explain(new ProblemError('bad-request', 400, '`limit` is 1 to 1000', 'r-1'))
  expect(refused).toEqual({ title: 'The node refused', text: '`limit` is 1 to 1000.', next: 'retry', request: 'r-1' })
  expect(explain(new Error('broken')).text).toBe('Broken.')
  expect(explain('').text).toBe('No reason was given.')
})

test('a page of an older build asks for a reload', () => {
  const stale = new TypeError('Failed to fetch dynamically imported module: /_/assets/a.js')
  expect(explain(stale).next).toBe('reload')
})

test('in one line, what is not ours says what it was', () => {
  expect(inShort(new SignatureRejectedError())).not.toContain('Nothing was signed')
  expect(inShort(new Error('broken'))).toBe('That did not work: Broken.')
})
