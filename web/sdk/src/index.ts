/**
 * `@kubelt/sdk`: cores of Kubelt for browsers and Node.
 *
 * @module
 */

export { type Answer, type CallOptions, Client, type ClientOptions, type PathWith, type Schemas } from './api/client.js'
export type { Visibility } from './core/content-entry.js'
export { Float, type Value, type ValueMap } from './core/dag-cbor.js'
export type { CoreId, LoginId, OpId } from './core/ids.js'
export * as format from './core/index.js'
export {
  AccountSwitchedError,
  ForeignMessageError,
  IntegrityError,
  KubeltError,
  NetworkError,
  NotAllowedError,
  ProblemError,
  QuotaError,
  RateLimitedError,
  RemovedFromCoreError,
  SessionExpiredError,
  SignatureRejectedError,
  UploadInterruptedError,
} from './errors.js'
export { type Change, indexedDbStorage, memoryStorage, type Storage, type Stored } from './local/storage.js'
export { SessionKey, type SessionKeyPair } from './session/key.js'
export { Session, type SignInOptions } from './session/session.js'
export { type Eip1193Provider, keySigner, type Signer, walletSigner } from './session/signer.js'
