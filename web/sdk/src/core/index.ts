/**
 * What a core *is*: the blocks of its log, and the rules by which they add up, as in the crate `kubelt-core`. Values
 * only: no network, no storage, no clock.
 *
 * @module
 */

export { type Ability, abilityText, allows, covers, parseAbility, sortAbilities, type Verb } from './ability.js'
export { type Account, AccountError, didOf, type Principal, type PublicKey, parseAccount, parseDid } from './account.js'
export { bodyIdOf, decodeBody, encodeBody } from './body.js'
export { type ContentEntry, contentValue, readContentEntry, type Visibility } from './content-entry.js'
export { decode, encode, Float, type Value, type ValueMap } from './dag-cbor.js'
export { DecodeError, LoginError, Refusal, type RefusalCode, SignatureError } from './errors.js'
export { coreIdOf, decodeGenesis, encodeGenesis, type Genesis } from './genesis.js'
export { type Hlc, hlcOf, msOf } from './hlc.js'
export { type BodyId, type CoreId, type LoginId, type OpId, parseId } from './ids.js'
export { type Entry, entryOf, verifyEntry } from './log/entry.js'
export { type GrantView, Log } from './log/log.js'
export { type CheckedLogin, checkLogin, decodeLogin, encodeLogin, type Login, loginIdOf } from './login.js'
export {
  type Act,
  type Body,
  decodeHeader,
  decodeSigned,
  encodeHeader,
  encodeSigned,
  type Header,
  opIdOf,
  type Signed,
} from './op.js'
export { type MapPath, PathError, parsePath } from './path.js'
export { signingText, verifySigned } from './signature.js'
export { MapState, type Winner } from './state.js'
export { type TypedData, typedDataOf } from './typed-data.js'
export { WordsError, wordsOf } from './words.js'
