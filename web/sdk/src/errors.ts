/**
 * What can go wrong, each with a message that says what to do next. Nothing that was written is lost by any of them.
 *
 * @module
 */

/** Every error of this package that a person may see. */
export class KubeltError extends Error {
  override readonly name: string = 'KubeltError'
}

/** The node was not reached, or the connection was lost. */
export class NetworkError extends KubeltError {
  override readonly name = 'NetworkError'

  constructor(url: string, options?: ErrorOptions) {
    super(
      `The node at ${url} cannot be reached. Check your connection and try again; what you have written is kept.`,
      options,
    )
  }
}

/** The node refused (RFC 9457). */
export class ProblemError extends KubeltError {
  override readonly name: string = 'ProblemError'

  constructor(
    /** Stable name of the kind of error, such as `not-found`. */
    readonly code: string,
    /** The HTTP status. */
    readonly status: number,
    detail: string,
    /** The request's id, which the node's log carries too. */
    readonly instance?: string,
  ) {
    super(detail)
  }
}

/** The session has ended: its time is over, or somebody ended it. */
export class SessionExpiredError extends ProblemError {
  override readonly name = 'SessionExpiredError'

  constructor(instance?: string) {
    super(
      'unauthorized',
      401,
      'Your session has ended. Sign in again; what you have written since is kept and sent then.',
      instance,
    )
  }
}

/** The core's quota, or the account's, is used up. */
export class QuotaError extends ProblemError {
  override readonly name = 'QuotaError'

  constructor(detail: string, instance?: string) {
    super(
      'quota-exceeded',
      507,
      `There is no room left (${detail}). Remove something, or ask the operator of the node for more; nothing was lost.`,
      instance,
    )
  }
}

/** Too much at once. */
export class RateLimitedError extends ProblemError {
  override readonly name = 'RateLimitedError'

  constructor(
    detail: string,
    /** How long to wait, in seconds. */
    readonly retryAfterS: number,
    instance?: string,
  ) {
    super('rate-limited', 429, `${detail}. Try again in ${retryAfterS} seconds.`, instance)
  }
}

/** A core that was here can no longer be reached by this account. */
export class RemovedFromCoreError extends KubeltError {
  override readonly name = 'RemovedFromCoreError'

  constructor(
    readonly core: string,
    /** Operations that wait here and were not sent. */
    readonly unsent: number,
  ) {
    const kept = unsent === 0 ? '' : ` ${unsent} of your changes were not sent; they are kept on this device.`
    super(
      `You can no longer reach this core: you were removed from it, or this node does not hold it any more. Ask one of its owners to invite you again.${kept}`,
    )
  }
}

/** The wallet's owner said no. */
export class SignatureRejectedError extends KubeltError {
  override readonly name = 'SignatureRejectedError'

  constructor(options?: ErrorOptions) {
    super('You declined the signature, so nothing was done. Try again whenever you like.', options)
  }
}

/** The wallet is at another account than the one that is to sign. */
export class AccountSwitchedError extends KubeltError {
  override readonly name = 'AccountSwitchedError'

  constructor(
    /** Who was to sign. */
    readonly expected: string,
    /** Who the wallet is now; `undefined` where it does not say. */
    readonly found: string | undefined,
  ) {
    const now = found === undefined ? 'your wallet is at another account' : `your wallet is at ${found}`
    super(
      `This is for ${expected}, but ${now}. Switch back in the wallet and try again, or sign in with the other account.`,
    )
  }
}

/** A node asks to sign something else than what it was asked for. */
export class ForeignMessageError extends KubeltError {
  override readonly name = 'ForeignMessageError'

  constructor(what: string) {
    super(
      `The node asks to sign ${what}; nothing was signed. Use the address that the node is known by, or do not trust it.`,
    )
  }
}

/** What came is not what its hash says. */
export class IntegrityError extends KubeltError {
  override readonly name = 'IntegrityError'

  constructor(what: string) {
    super(`${what} is not what its hash says, and was thrown away. Try again, or another node.`)
  }
}

/** An upload broke off. */
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
      `The connection was lost when ${blocksSent} of ${blocks} blocks had arrived. Publish the same again: only what is missing is sent.`,
      options,
    )
  }
}

/** The account may not do this in the core. */
export class NotAllowedError extends KubeltError {
  override readonly name = 'NotAllowedError'
}

/** There is no room on the device. */
export class DeviceFullError extends KubeltError {
  override readonly name = 'DeviceFullError'

  constructor(options?: ErrorOptions) {
    super('There is no room left on this device, so nothing was written. Free some space and try again.', options)
  }
}
