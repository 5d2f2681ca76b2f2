/**
 * What the modules about people share: a core at its node, and an outcome that others may have to agree to.
 *
 * @module
 */

import type { CoreId, OpId } from '../core/ids.js'
import type { Session } from '../session/session.js'

/** A core at its node, for what is asked over the API. A `Core` is one; a session and an id are enough. */
export interface CoreAt {
  readonly session: Session
  readonly id: CoreId
}

/** What became of something: it is done, or others were asked to agree first. */
export type Outcome =
  | {
      /** The operation. */
      readonly done: OpId
    }
  | {
      /** The id of the request, which waits for them. */
      readonly asked: string
    }
