/**
 * `@kubelt/sdk`: cores of Kubelt for browsers and Node.
 *
 * @module
 */

export { type Answer, type CallOptions, Client, type ClientOptions, type PathWith, type Schemas } from './api/client.js'
export type { FileData } from './content/pieces.js'
export type { Files } from './content/tree.js'
export type { Progress, UploadOptions } from './content/upload.js'
export type { Visibility } from './core/content-entry.js'
export { Float, type Value, type ValueMap } from './core/dag-cbor.js'
export type { CoreId, LoginId, OpId } from './core/ids.js'
export * as format from './core/index.js'
export {
  AccountSwitchedError,
  DeviceFullError,
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
  VotesNeededError,
} from './errors.js'
export {
  type Comparison,
  type Condition,
  type ContractAt,
  checkGate,
  type Gate,
  type GateTrial,
  type GateView,
  gatesOf,
  listGates,
  removeGate,
  setGate,
} from './gates/gates.js'
export { type CheckedOp, type CheckedSignIn, checkOperation, type OpCheck } from './local/audit.js'
export { type ContentAt, CoreContent, mediaTypeOf, type Published, type PublishOptions } from './local/content.js'
export { type ActDetails, Core, type LiveOptions, type OpenOptions, type Written } from './local/core.js'
export type { RefusedOp } from './local/replica.js'
export { type Change, indexedDbStorage, memoryStorage, type Storage, type Stored } from './local/storage.js'
export type { SyncReport } from './local/sync.js'
export {
  agreeToAsks,
  type CoreTree,
  coreTree,
  createCore,
  findCore,
  listCores,
  type MadeCore,
  type NamedCore,
  type NewCore,
  nameCore,
  setTemplate,
  type Template,
  type UserTemplate,
  unnameCore,
} from './members/cores.js'
export {
  type AcceptedInvite,
  acceptInvite,
  type InviteLink,
  listInvites,
  ownInvites,
  parseInvite,
} from './members/invites.js'
export {
  grantRole,
  handOver,
  listRoles,
  type Member,
  type Members,
  membersOf,
  type Part,
  principalOf,
  principalText,
  removeMember,
  resign,
  revokeGrant,
} from './members/members.js'
export type { CoreAt, Outcome } from './members/place.js'
export {
  type AskOptions,
  answerRequest,
  approveRequest,
  askOthers,
  type CastVote,
  finishRequest,
  listRequests,
  rejectRequest,
  type SignRequest,
  signOrAsk,
  signRequests,
  type VoteRequest,
  voteRequests,
  withdrawRequest,
} from './members/requests.js'
export {
  bindHost,
  checkHost,
  type HostName,
  hostOf,
  hostsOf,
  listHosts,
  unbindHost,
} from './names/hosts.js'
export { fetchProof, isContentOf, type Origin, originOf } from './provenance/fetch.js'
export { type Authority, type Provenance, verifyProof } from './provenance/proof.js'
export {
  announceProvider,
  CoreProvider,
  type ProviderEvents,
  type ProviderInfo,
  type ProviderOptions,
  ProviderRpcError,
} from './provider/provider.js'
export {
  createDeviceKey,
  type DeviceKey,
  type DeviceKeyPair,
  deviceKeyId,
  deviceKeys,
  publishedKeys,
  withdrawDeviceKey,
} from './sealed/device-key.js'
export type { Encryption, SealedForm, SealedTo } from './sealed/encryption.js'
export {
  type KeySet,
  type PublicJwk,
  type Recipient,
  readKeySet,
  recipientsAt,
  recipientsIn,
} from './sealed/public-key.js'
export {
  addGrant,
  openSealed,
  openSealedBytes,
  openSealedRange,
  refreshGrants,
  removeGrant,
  type SealedFile,
  type SealOptions,
  seal,
  sealedAt,
  sealedIn,
} from './sealed/sealed.js'
export { SessionKey, type SessionKeyPair } from './session/key.js'
export { createPasskey, type NewPasskey, type Passkey, type PasskeyOptions, passkeySigner } from './session/passkey.js'
export { type Asks, Session, type SignInOptions } from './session/session.js'
export { type Eip1193Provider, keySigner, type Signer, walletSigner } from './session/signer.js'
