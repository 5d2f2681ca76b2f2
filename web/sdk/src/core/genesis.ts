/**
 * Genesis: the block whose CID is the core's id.
 *
 * @module
 */

import { type Account, isOfPasskeys, type Principal, principalValue, readPrincipal } from './account.js'
import { utf8Length } from './bytes.js'
import { decode, encode, type ValueMap } from './dag-cbor.js'
import { DecodeError } from './errors.js'
import { bytes, Fields, id, text } from './fields.js'
import { type CoreId, idOf, linkOf } from './ids.js'
import { GENESIS_BYTES_MAX, NAME_BYTES_MAX, NONCE_BYTES } from './limits.js'

/** How a core begins. */
export type Genesis =
  | { readonly kind: 'private'; readonly root: Account }
  | { readonly kind: 'user'; readonly root: Account; readonly parent: CoreId }
  | {
      readonly kind: 'shared'
      readonly root: Principal
      readonly parent?: CoreId
      /** What its makers call it, 1 to 64 bytes. */
      readonly name: string
      /** 16 bytes that make two cores of one name distinct. */
      readonly nonce: Uint8Array
    }

/** The canonical bytes of a genesis block. */
export function encodeGenesis(genesis: Genesis): Uint8Array<ArrayBuffer> {
  const block: ValueMap = { v: 1, kind: genesis.kind, root: principalValue(genesis.root) }
  if (genesis.kind !== 'private' && genesis.parent) block['parent'] = linkOf(genesis.parent)
  if (genesis.kind === 'shared') Object.assign(block, { name: genesis.name, nonce: genesis.nonce })
  return encode(block)
}

/** The id of a core. A private core's follows from its account alone. */
export function coreIdOf(genesis: Genesis): CoreId {
  return idOf(encodeGenesis(genesis))
}

/**
 * Reads a genesis block.
 *
 * @throws DecodeError when it is none.
 */
export function decodeGenesis(block: Uint8Array): Genesis {
  if (block.length > GENESIS_BYTES_MAX) throw new DecodeError(`a genesis has ${GENESIS_BYTES_MAX} bytes at most`)
  const fields = new Fields(decode(block), 'genesis')
  fields.required('v', (v) => (v === 1 ? v : undefined))
  const kind = fields.required('kind', text)
  const root = fields.required('root', readPrincipal)
  const parent = fields.optional('parent', id<CoreId>)
  const name = fields.optional('name', readName)
  const nonce = fields.optional('nonce', bytes(NONCE_BYTES))
  fields.end()
  const named = name !== undefined || nonce !== undefined
  if (kind === 'private' && typeof root === 'string' && !parent && !named) return { kind, root }
  if (kind === 'user' && typeof root === 'string' && parent && !named) return { kind, root, parent }
  if (kind === 'shared' && isOfPasskeys(root))
    throw new DecodeError('passkeys alone cannot be the root of a shared core')
  if (kind === 'shared' && name !== undefined && nonce) return { kind, root, ...(parent && { parent }), name, nonce }
  throw new DecodeError('the fields of a genesis do not fit its kind')
}

function readName(value: Parameters<typeof text>[0]): string | undefined {
  const name = text(value)
  const length = name === undefined ? 0 : utf8Length(name)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return length >= 1 && length <= NAME_BYTES_MAX && !/[\u0000-\u001f\u007f-\u009f]/.test(name ?? '') ? name : undefined
}
