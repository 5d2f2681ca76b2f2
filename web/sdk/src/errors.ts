/**
 * What can go wrong: each says what happened, and what to do next. Nothing that was written is lost by any of them.
 *
 * @module
 */

/** Every error of this package that a person may see. Its message is {@link KubeltError.what} and {@link KubeltError.hint}. */
export class KubeltError extends Error {
  override readonly name: string = 'KubeltError'

  constructor(
    /** Stable name of the kind of error, such as `votes-needed`. */
    readonly code: string,
    /** What happened, in one sentence. */
    readonly what: string,
    /** What to do next; empty where `what` says it. */
    readonly hint: string = '',
    options?: ErrorOptions,
  ) {
    super(hint === '' ? what : `${what} ${hint}`, options)
  }
}

/** The node was not reached, or the connection was lost. Code `network`. */
export class NetworkError extends KubeltError {
  override readonly name = 'NetworkError'

  constructor(url: string, options?: ErrorOptions) {
    const hint = 'Check your connection and try again; what you have written is kept.'
    super('network', `The node at ${url} cannot be reached.`, hint, options)
  }
}

/** The node refused (RFC 9457). Its code is the last part of the problem's `type`. */
export class ProblemError extends KubeltError {
  override readonly name: string = 'ProblemError'

  constructor(
    code: string,
    /** The HTTP status. */
    readonly status: number,
    detail: string,
    /** The request's id, which the node's log carries too. */
    readonly instance?: string,
    hint?: string,
  ) {
    super(code, detail, hint)
  }
}

/** The session has ended: its time is over, or somebody ended it. Code `unauthorized`. */
export class SessionExpiredError extends ProblemError {
  override readonly name = 'SessionExpiredError'

  constructor(instance?: string) {
    const hint = 'Sign in again; what you have written since is kept and sent then.'
    super('unauthorized', 401, 'Your session has ended.', instance, hint)
  }
}

/** The core's quota, or the account's, is used up. Code `quota-exceeded`. */
export class QuotaError extends ProblemError {
  override readonly name = 'QuotaError'

  constructor(detail: string, instance?: string) {
    const hint = 'Remove something, or ask the operator of the node for more; nothing was lost.'
    super('quota-exceeded', 507, `There is no room left at the node (${detail}).`, instance, hint)
  }
}

/** Too much at once. Code `rate-limited`. */
export class RateLimitedError extends ProblemError {
  override readonly name = 'RateLimitedError'

  constructor(
    detail: string,
    /** How long to wait, in seconds. */
    readonly retryAfterS: number,
    instance?: string,
  ) {
    super('rate-limited', 429, `${detail}.`, instance, `Try again in ${retryAfterS} seconds.`)
  }
}

/** A core that was here can no longer be reached by this account. Code `removed-from-core`. */
export class RemovedFromCoreError extends KubeltError {
  override readonly name = 'RemovedFromCoreError'

  constructor(
    readonly core: string,
    /** Operations that wait here and were not sent. */
    readonly unsent: number,
  ) {
    const kept = unsent === 0 ? '' : ` ${unsent} of your changes were not sent; they are kept on this device.`
    super(
      'removed-from-core',
      'You can no longer reach this core: you were removed from it, or this node does not hold it any more.',
      `Ask one of its owners to invite you again.${kept}`,
    )
  }
}

/** The wallet's owner said no. Code `signature-rejected`. */
export class SignatureRejectedError extends KubeltError {
  override readonly name = 'SignatureRejectedError'

  constructor(options?: ErrorOptions) {
    const what = 'You declined the signature, so nothing was done.'
    super('signature-rejected', what, 'Try again whenever you like.', options)
  }
}

/** The wallet is at another account than the one that is to sign. Code `account-switched`. */
export class AccountSwitchedError extends KubeltError {
  override readonly name = 'AccountSwitchedError'

  constructor(
    /** Who was to sign. */
    readonly expected: string,
    /** Who the wallet is now; `undefined` where it does not say. */
    readonly found: string | undefined,
    options?: ErrorOptions,
  ) {
    const now = found === undefined ? 'your wallet is at another account' : `your wallet is at ${found}`
    const hint = 'Switch back in the wallet and try again, or sign in with the other account.'
    super('account-switched', `This is for ${expected}, but ${now}.`, hint, options)
  }
}

/** A node asks to sign something else than what it was asked for. Code `foreign-message`. */
export class ForeignMessageError extends KubeltError {
  override readonly name = 'ForeignMessageError'

  constructor(what: string) {
    super(
      'foreign-message',
      `The node asks to sign ${what}; nothing was signed.`,
      'Use the address that the node is known by, or do not trust it.',
    )
  }
}

/** What came is not what its hash says. Code `integrity`. */
export class IntegrityError extends KubeltError {
  override readonly name = 'IntegrityError'

  constructor(what: string) {
    super('integrity', `${what} is not what its hash says, and was thrown away.`, 'Try again, or another node.')
  }
}

/** An upload broke off. Code `upload-interrupted`. */
export class UploadInterruptedError extends KubeltError {
  override readonly name = 'UploadInterruptedError'

  constructor(
    /** Blocks that the node has. */
    readonly blocksSent: number,
    /** Blocks in all. */
    readonly blocks: number,
    options?: ErrorOptions,
  ) {
    super(
      'upload-interrupted',
      `The connection was lost when ${blocksSent} of ${blocks} blocks had arrived.`,
      'Publish the same again: only what is missing is sent.',
      options,
    )
  }
}

/** The account may not do this in the core. Code `not-allowed`. */
export class NotAllowedError extends KubeltError {
  override readonly name = 'NotAllowedError'

  constructor(why: string, options?: ErrorOptions) {
    const hint = 'Nothing was changed; ask who may to do it, or to grant it to you.'
    super('not-allowed', `This is not allowed here: ${why}.`, hint, options)
  }
}

/** Several share the authority to do this, and others must agree first. Code `votes-needed`. */
export class VotesNeededError extends KubeltError {
  override readonly name = 'VotesNeededError'

  constructor(why: string, options?: ErrorOptions) {
    const hint = 'Nothing was changed; ask the others to agree to it (`askOthers`).'
    super('votes-needed', `You cannot do this alone: ${why}.`, hint, options)
  }
}

/** There is no room on the device. Code `device-full`. */
export class DeviceFullError extends KubeltError {
  override readonly name = 'DeviceFullError'

  constructor(options?: ErrorOptions) {
    const what = 'There is no room left on this device, so nothing was written.'
    super('device-full', what, 'Free some space and try again.', options)
  }
}
