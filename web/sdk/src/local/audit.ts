/**
 * Looking an operation over once more: its hash, its signature, and everything that it was allowed by, from the bytes that
 * are kept on this device. No node is asked.
 *
 * @module
 */

import { type Account, didOf, type Principal } from '../core/account.js'
import { decodeBody } from '../core/body.js'
import { DecodeError, LoginError, SignatureError } from '../core/errors.js'
import { coreIdOf } from '../core/genesis.js'
import { msOf } from '../core/hlc.js'
import type { CoreId, LoginId, OpId } from '../core/ids.js'
import { verifyUnder } from '../core/log/entry.js'
import type { Node } from '../core/log/graph.js'
import { checkLogin } from '../core/login.js'
import { type Act, decodeSigned, type Scheme } from '../core/op.js'
import type { Verdict } from '../core/signature.js'
import { WordsError } from '../core/words.js'
import { IntegrityError, KubeltError } from '../errors.js'
import type { Core } from './core.js'

/** The sign-in by which a session signed. */
export interface CheckedSignIn {
  readonly id: LoginId
  /** The `did:key` of the session. */
  readonly key: string
  /** How the account signed the sign-in. */
  readonly scheme: Scheme
  /** At whose site. */
  readonly domain: string
  readonly from: Date
  readonly expires: Date
  /** Whether a node holds the key, and so could have written this itself. */
  readonly heldByNode: boolean
}

/** An operation whose hash and signatures are good. */
export interface CheckedOp {
  readonly op: OpId
  readonly by: Account
  /** When, as its maker says. */
  readonly at: Date
  /** What it does; absent where that was withheld from this reader. */
  readonly act?: Act
  readonly scheme: Scheme
  /** Absent where the account itself signed. */
  readonly signIn?: CheckedSignIn
  /** `pending` where a contract wallet signed: only its chain can judge that. */
  readonly verdict: Verdict
}

/** What was found of an operation. */
export interface OpCheck extends CheckedOp {
  readonly core: CoreId
  /** What it was allowed by: the grants and hand-overs, each signed, from the nearest up to what the founder gave. */
  readonly chain: readonly CheckedOp[]
  /** Who the core began with; its id is the hash of that. */
  readonly founder: Principal
  /** Whether it counts by the rules of the log, with all that is known here. */
  readonly effective: boolean
}

/**
 * Checks an operation and all that it rests on.
 *
 * @throws IntegrityError, KubeltError `bad-operation` names what is wrong, `not-found`.
 * @example
 * ```ts
 * import { checkOperation, Client, Core, keySigner, Session } from '@kubelt/sdk'
 *
 * const client = new Client('http://127.0.0.1:4747')
 * const core = await Core.open(await Session.signIn(client, keySigner(process.env.WALLET_SECRET ?? '')))
 * const { signIn, scheme, effective } = checkOperation(core, await core.put('profile/name', 'Ada'))
 * console.log(signIn?.domain, scheme, effective)
 * ```
 */
export function checkOperation(core: Core, op: OpId): OpCheck {
  const node = core.log.graph.find(op)
  if (!node) throw new KubeltError('not-found', 'This operation is not on this device.', 'Sync, and look again.')
  const { genesis, id } = core
  if (coreIdOf(genesis) !== id) throw new IntegrityError('The beginning of the core')
  const chain: CheckedOp[] = []
  for (let auth = node.auth; auth; auth = auth.auth) chain.push(checkOne(core, auth))
  return { ...checkOne(core, node), core: id, chain, founder: genesis.root, effective: node.effective }
}

function checkOne(core: Core, { id }: Node): CheckedOp {
  try {
    return readOne(core, id)
  } catch (error) {
    const isBad =
      error instanceof SignatureError ||
      error instanceof LoginError ||
      error instanceof WordsError ||
      error instanceof DecodeError
    if (!isBad) throw error
    const hint = 'Do not rely on it. Tell the operator of the node, and whoever is said to have made it.'
    throw new KubeltError('bad-operation', `Operation ${id} is not good: ${error.message}.`, hint, { cause: error })
  }
}

function readOne(core: Core, op: OpId): CheckedOp {
  const kept = core.evidence(op)
  if (!kept) throw new IntegrityError(`Operation ${op}`)
  const signed = decodeSigned(kept.signed)
  const body = kept.body && decodeBody(kept.body)
  const checked = kept.login && checkLogin(kept.login)
  const { entry, verdict } = verifyUnder(signed, body, checked)
  const { header } = entry
  if (entry.id !== op || header.core !== core.id) throw new IntegrityError(`Operation ${op}`)
  const login = checked?.login
  return {
    op,
    by: header.by,
    at: new Date(msOf(header.at)),
    ...(body && { act: body.act }),
    scheme: signed.scheme,
    ...(login &&
      kept.login && {
        signIn: {
          id: login.id,
          key: didOf(login.session),
          scheme: kept.login.scheme,
          domain: login.domain,
          from: new Date(login.fromMs),
          expires: new Date(login.expiresMs),
          heldByNode: login.heldByNode,
        },
      }),
    verdict,
  }
}
