/**
 * Requests for votes stand in the map, under their maker and the hash that votes on them name
 * (crates/kubelt-core/src/schema/request.rs).
 *
 * @module
 */

import { type Account, AccountError, parseAccount } from './account.js'
import { decodeBody, encodeBody } from './body.js'
import { utf8Length } from './bytes.js'
import type { Value } from './dag-cbor.js'
import { DecodeError } from './errors.js'
import { bytes, count, Fields, id, text } from './fields.js'
import { type BodyId, linkOf, type OpId, parseId } from './ids.js'
import { REQUEST_BODY_BYTES_MAX, REQUEST_TITLE_BYTES_MAX } from './limits.js'
import type { Body } from './op.js'
import { below, type MapPath, parsePath } from './path.js'

/** What somebody wants to do by an authority that several share. */
export interface Request {
  readonly auth: OpId
  readonly body: Body
  /** Until when it may be voted on, in milliseconds since the Unix epoch. */
  readonly expiresMs: number
  /** What its maker says of it: one line. */
  readonly title?: string
}

/** Where a request stands in the map. */
export function requestPath(by: Account, proposal: BodyId): MapPath {
  return parsePath(`requests/${by}/${proposal}`)
}

/** Who makes the request at a path, and what votes on it name; `undefined` where it is no path of a request. */
export function readRequestPath(path: string): { by: Account; proposal: BodyId } | undefined {
  const [account, proposal, ...others] = below(path, 'requests')?.split('/') ?? []
  if (account === undefined || proposal === undefined || others.length > 0) return undefined
  try {
    const read = { by: parseAccount(account), proposal: parseId<BodyId>(proposal) }
    return requestPath(read.by, read.proposal) === path ? read : undefined
  } catch (error) {
    if (error instanceof AccountError || error instanceof DecodeError) return undefined
    throw error
  }
}

/** Whether a path is one of requests that `by` makes. */
export function isRequestOf(path: string, by: Account): boolean {
  return readRequestPath(path)?.by === by
}

/** The value to put. */
export function requestValue({ auth, body, expiresMs, title }: Request): Value {
  return {
    auth: linkOf(auth),
    body: encodeBody(body),
    expires: expiresMs,
    ...(title !== undefined && { title }),
  }
}

/** Reads a request; `undefined` where it is none. Whether it is the one that its path names is not looked at. */
export function readRequest(value: Value): Request | undefined {
  try {
    const fields = new Fields(value, 'request')
    const title = fields.optional('title', readTitle)
    const request = {
      auth: fields.required('auth', id<OpId>),
      body: fields.required('body', readBody),
      expiresMs: fields.required('expires', count),
      ...(title !== undefined && { title }),
    }
    fields.end()
    return request.expiresMs < 2 ** 48 ? request : undefined
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** A title: 1 to 256 bytes of text without control characters. */
export function readTitle(value: Value): string | undefined {
  const title = text(value)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const fits = title && utf8Length(title) <= REQUEST_TITLE_BYTES_MAX && !/[\u0000-\u001f\u007f-\u009f]/.test(title)
  return fits ? title : undefined
}

function readBody(value: Value): Body | undefined {
  const block = bytes()(value)
  return block && block.length <= REQUEST_BODY_BYTES_MAX ? decodeBody(block) : undefined
}
