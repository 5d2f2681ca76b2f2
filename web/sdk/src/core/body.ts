/**
 * The blocks that say what an operation does.
 *
 * @module
 */

import { compareAbilities, readAbility } from './ability.js'
import { principalValue, readAccount, readPrincipal } from './account.js'
import { sameBytes, utf8Length } from './bytes.js'
import { decode, encode, isMap, type Value } from './dag-cbor.js'
import { DecodeError } from './errors.js'
import { bool, bytes, count, Fields, id, isSorted, listOf, text, u64 } from './fields.js'
import { type BodyId, idOf, type LoginId, linkOf, type OpId } from './ids.js'
import { ABILITIES_MAX, BODY_BYTES_MAX, NONCE_BYTES, ROLE_BYTES_MAX } from './limits.js'
import type { Act, Body, Holder } from './op.js'
import { isPath } from './path.js'
import { hashWords, isLine } from './words.js'

/** The canonical bytes of a body. */
export function encodeBody(body: Body): Uint8Array<ArrayBuffer> {
  return encode({ salt: body.salt, act: { [body.act.verb]: actValue(body.act) } })
}

/** The id of a body. */
export function bodyIdOf(body: Body): BodyId {
  return idOf(encodeBody(body))
}

/**
 * Reads a body block and checks its limits.
 *
 * @throws DecodeError when it is none.
 */
export function decodeBody(block: Uint8Array): Body {
  if (block.length > BODY_BYTES_MAX) {
    throw new DecodeError(
      `a body of ${block.length} bytes is over the limit of ${BODY_BYTES_MAX}; put large values into content`,
    )
  }
  const fields = new Fields(decode(block), 'body')
  const salt = fields.required('salt', bytes(NONCE_BYTES))
  const act = fields.required('act', readAct)
  fields.end()
  checkAct(act)
  return { salt, act }
}

/** Checks the limits of an act. */
export function checkAct(act: Act): void {
  if (act.verb === 'grant') {
    const fits = act.can.length > 0 && act.can.length <= ABILITIES_MAX && isSorted(act.can, compareAbilities)
    if (!fits) throw new DecodeError('a grant has 1 to 64 abilities, sorted and distinct')
  }
  const role = act.verb === 'grant' ? act.as : act.verb === 'revoke' ? act.from?.as : undefined
  if (role !== undefined && (role === '' || utf8Length(role) > ROLE_BYTES_MAX)) {
    throw new DecodeError('a role name has 1 to 64 bytes')
  }
  if (act.verb === 'vote' && act.what !== undefined) {
    const fits = isLine(act.what) && sameBytes(hashWords(act.what), act.shown)
    if (!fits) throw new DecodeError('the words of a vote are one line, and those of which it has the hash')
  }
}

function actValue(act: Act): Value {
  switch (act.verb) {
    case 'put':
      return { path: act.path, value: act.value }
    case 'grant':
      return {
        to: principalValue(act.to),
        ...(act.as !== undefined && { as: act.as }),
        can: act.can.map(({ verb, paths }) => ({ verb, paths })),
        ...(act.wait !== undefined && { wait: act.wait }),
      }
    case 'revoke':
      return { grant: linkOf(act.grant), ...(act.from && { from: holderValue(act.from) }) }
    case 'rotate':
      return { root: principalValue(act.root) }
    case 'logout':
      return { login: linkOf(act.login) }
    case 'vote':
      return {
        proposal: linkOf(act.proposal),
        approve: act.approve,
        shown: act.shown,
        ...(act.what !== undefined && { what: act.what }),
        expires: act.expires,
      }
    case 'seal':
      return { ...(act.state && { state: linkOf(act.state) }) }
    case 'claim':
      return { of: act.of, wait: act.wait }
  }
}

function holderValue(holder: Holder): Value {
  return { to: principalValue(holder.to), ...(holder.as !== undefined && { as: holder.as }) }
}

function readAct(value: Value): Act {
  const [verb, ...others] = isMap(value) ? Object.keys(value) : []
  if (verb === undefined || others.length > 0 || !isMap(value))
    throw new DecodeError('an act is one verb with its fields')
  const fields = new Fields(value[verb], `\`${verb.slice(0, 16)}\``)
  const act = readFields(verb, fields)
  fields.end()
  return act
}

function readFields(verb: string, fields: Fields): Act {
  switch (verb) {
    case 'put':
      return {
        verb,
        path: fields.required('path', (value) => (typeof value === 'string' && isPath(value) ? value : undefined)),
        value: fields.required('value', (value) => value),
      }
    case 'grant': {
      const [as, wait] = [fields.optional('as', text), fields.optional('wait', count)]
      const to = fields.required('to', readPrincipal)
      const can = fields.required('can', listOf(readAbility))
      return { verb, to, ...(as !== undefined && { as }), can, ...(wait !== undefined && { wait }) }
    }
    case 'revoke': {
      const from = fields.optional('from', readHolder)
      return { verb, grant: fields.required('grant', id<OpId>), ...(from && { from }) }
    }
    case 'rotate':
      return { verb, root: fields.required('root', readPrincipal) }
    case 'logout':
      return { verb, login: fields.required('login', id<LoginId>) }
    case 'vote': {
      const what = fields.optional('what', text)
      return {
        verb,
        proposal: fields.required('proposal', id<BodyId>),
        approve: fields.required('approve', bool),
        shown: fields.required('shown', bytes(32)),
        ...(what !== undefined && { what }),
        expires: fields.required('expires', u64),
      }
    }
    case 'seal': {
      const state = fields.optional('state', id<BodyId>)
      return { verb, ...(state && { state }) }
    }
    case 'claim':
      return { verb, of: fields.required('of', readAccount), wait: fields.required('wait', count) }
  }
  throw new DecodeError(`\`${verb.slice(0, 64)}\` is no act`)
}

function readHolder(value: Value): Holder {
  const fields = new Fields(value, 'holder')
  const as = fields.optional('as', text)
  const holder = { to: fields.required('to', readPrincipal), ...(as !== undefined && { as }) }
  fields.end()
  return holder
}
