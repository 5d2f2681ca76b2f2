/**
 * Why blocks and operations are not taken.
 *
 * @module
 */

/** Bytes that are not a block of the log. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'

  /**
   * @param reason what is wrong
   * @param at where in the block, in bytes
   */
  constructor(
    readonly reason: string,
    readonly at?: number,
  ) {
    super(at === undefined ? reason : `${reason} (at byte ${at})`)
  }
}

/** A signature that is not good, and never will be. */
export class SignatureError extends Error {
  override readonly name = 'SignatureError'
}

/** A sign-in that is not good. */
export class LoginError extends Error {
  override readonly name = 'LoginError'
}

/** Which rule of the log an operation breaks; {@link Refusal} says it in words. */
export type RefusalCode =
  | 'UnknownPrev'
  | 'Ahead'
  | 'OtherCore'
  | 'Shape'
  | 'Date'
  | 'BodyMissing'
  | 'UnknownAuth'
  | 'NotAnAuthority'
  | 'NotHolder'
  | 'NotAllowed'
  | 'LoginAccount'
  | 'LoginAbility'
  | 'LoginDates'
  | 'Ended'
  | 'Delegation'
  | 'Depth'
  | 'PrivateCore'
  | 'UserCore'
  | 'FixedRoot'
  | 'Passkeys'
  | 'RootOnly'
  | 'NotAGrant'
  | 'NotAbove'
  | 'NotAVote'
  | 'OtherWords'
  | 'Words'
  | 'OtherHolder'
  | 'Quorum'
  | 'Wait'
  | 'NoWait'
  | 'OtherClaim'
  | 'Full'

/** An operation breaks a rule of the log, or (`UnknownPrev`, `Ahead`) cannot be judged yet. */
export class Refusal extends Error {
  override readonly name = 'Refusal'

  constructor(
    readonly code: RefusalCode,
    message: string,
    /** For `UnknownPrev`: the operations that are not here yet. */
    readonly lacks: readonly string[] = [],
  ) {
    super(message)
  }
}
