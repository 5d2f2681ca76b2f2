import { expect, test } from 'vitest'
import * as errors from '../src/errors.js'

const ALL: [make: () => errors.KubeltError, code: string, next: RegExp][] = [
  [() => new errors.NetworkError('http://127.0.0.1:9'), 'network', /try again; what you have written is kept/],
  [() => new errors.SessionExpiredError(), 'unauthorized', /^Sign in again; what you have written/],
  [() => new errors.QuotaError('1 of 1 MB'), 'quota-exceeded', /^Remove something, .*nothing was lost/],
  [() => new errors.RateLimitedError('too many', 7), 'rate-limited', /in 7 seconds/],
  [() => new errors.RemovedFromCoreError('bafy', 2), 'removed-from-core', /invite you again. 2 of your changes/],
  [() => new errors.SignatureRejectedError(), 'signature-rejected', /^Try again/],
  [() => new errors.AccountSwitchedError('0xa', '0xb'), 'account-switched', /^Switch back in the wallet/],
  [() => new errors.ForeignMessageError('in elsewhere'), 'foreign-message', /do not trust it/],
  [() => new errors.IntegrityError('The block'), 'integrity', /another node/],
  [
    () => new errors.UploadInterruptedError(3, 9),
    'upload-interrupted',
    /^Publish the same again: only what is missing/,
  ],
  [() => new errors.NotAllowedError('no'), 'not-allowed', /^Nothing was changed/],
  [() => new errors.VotesNeededError('1 of 2'), 'votes-needed', /ask the others/],
  [() => new errors.DeviceFullError(), 'device-full', /^Free some space/],
]

test.each(ALL)('%s says what happened and what to do next', (make, code, next) => {
  const error = make()
  expect(error).toBeInstanceOf(errors.KubeltError)
  expect(error.code).toBe(code)
  expect(error.what).toMatch(/[.)]$/)
  expect(error.hint).toMatch(next)
  expect(error.message).toBe(`${error.what} ${error.hint}`)
  expect(error.name).toBe(error.constructor.name)
})

test('there is a line for each of them', () => {
  const classes = Object.values(errors).filter((one) => one !== errors.KubeltError && one !== errors.ProblemError)
  expect(new Set(ALL.map(([make]) => make().constructor))).toEqual(new Set(classes))
})
