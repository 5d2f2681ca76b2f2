/** What operations do, in a line each: what was done, and to what. */

import { format } from '@kubelt/sdk'
import { bytes, short } from '../../format.js'
import { accountsOf } from '../../people.js'
import type { IconName } from '../../ui/icons.js'

export interface Doing {
  readonly icon: IconName
  readonly verb: string
  /** The path, or whom it is about. */
  readonly what: string
  readonly more?: string
}

/** An operation as the list has it. */
export interface Entry {
  readonly id: format.OpId
  readonly by: string
  readonly at: Date
  readonly isEffective: boolean
  /** Whether a session signed it. */
  readonly isBySession: boolean
  readonly doing: Doing
}

type Log = format.Log
type Node = NonNullable<ReturnType<Log['graph']['find']>>

/** The latest first. */
export function entriesOf(log: Log): Node[] {
  return [...log.graph.nodes].sort((a, b) =>
    a.header.at === b.header.at ? b.order - a.order : a.header.at < b.header.at ? 1 : -1,
  )
}

export function entryOf({ id, header, act, effective, login }: Node): Entry {
  return {
    id,
    by: header.by,
    at: new Date(format.msOf(header.at)),
    isEffective: effective,
    isBySession: login !== undefined,
    doing: act ? doingOf(act) : { icon: 'sealed', verb: 'Wrote', what: 'something that you may not read' },
  }
}

/** Whether an operation is about a path that has this in it. */
export function touches({ act }: Node, part: string): boolean {
  return act?.verb === 'put' && act.path.toLowerCase().includes(part)
}

export function doingOf(act: format.Act): Doing {
  switch (act.verb) {
    case 'put':
      return putDoing(act.path, act.value)
    case 'grant':
      return { icon: 'members', verb: 'Gave', what: people(act.to), more: `the part ${act.as ?? 'without a name'}` }
    case 'revoke':
      return {
        icon: 'members',
        verb: 'Took back',
        what: act.from ? people(act.from.to) : short(act.grant, 8, 6),
        ...(act.from?.as && { more: `the part ${act.from.as}` }),
      }
    case 'rotate':
      return { icon: 'members', verb: 'Handed the core over to', what: people(act.root) }
    case 'logout':
      return { icon: 'clock', verb: 'Ended', what: 'a session' }
    case 'vote':
      return { icon: 'requests', verb: act.approve ? 'Agreed to' : 'Declined', what: 'a request' }
    case 'seal':
      return { icon: 'check', verb: 'Confirmed', what: 'all that was known' }
    case 'claim':
      return { icon: 'clock', verb: 'Claimed', what: `the core of ${short(act.of, 8, 6)}`, more: 'as heir' }
  }
}

function putDoing(path: string, value: format.Value): Doing {
  const inContent = path.startsWith('content/')
  const what = inContent ? path.slice('content/'.length) : path
  if (value === null)
    return { icon: 'trash', verb: path.startsWith('requests/') ? 'Closed' : 'Cleared', what: nameOf(path, what) }
  const entry = inContent ? format.readContentEntry(value) : undefined
  if (entry)
    return {
      icon: entry.encryption ? 'sealed' : 'upload',
      verb: entry.encryption ? 'Sealed' : 'Published',
      what,
      more: `${bytes(entry.size)}, ${entry.visibility}`,
    }
  if (path.startsWith('requests/')) return { icon: 'requests', verb: 'Asked for', what: 'the others’ votes' }
  if (path.startsWith('gates/')) return { icon: 'gates', verb: 'Set', what: `the gate ${path.slice('gates/'.length)}` }
  if (path.startsWith('cores/'))
    return { icon: 'cores', verb: 'Named', what: `the core ${path.slice('cores/'.length)}` }
  if (/^names\/.*\./.test(path))
    return { icon: 'globe', verb: 'Bound', what: `the host name ${path.slice('names/'.length)}` }
  if (path.startsWith('config/'))
    return { icon: 'settings', verb: 'Set', what: path.slice('config/'.length), more: 'a setting' }
  return { icon: 'text', verb: 'Set', what }
}

function nameOf(path: string, what: string): string {
  return path.startsWith('requests/') ? 'a request' : what
}

function people(principal: format.Principal): string {
  return accountsOf(principal)
    .map((one) => short(one.replace('did:key:', ''), 8, 6))
    .join(', ')
}
