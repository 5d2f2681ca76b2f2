import { type SignRequest, signRequests, type VoteRequest, voteRequests } from '@kubelt/sdk'
import { SvelteMap } from 'svelte/reactivity'
import type { OpenCore } from '../../state/open-core.svelte.js'

/** What programs asked the wallets of cores for, by core, as the node said last. */
const signs = new SvelteMap<string, readonly SignRequest[]>()

/** What is known to be asked of a core's wallet. */
export function signsOf(open: OpenCore): readonly SignRequest[] {
  return signs.get(open.core.id) ?? []
}

/** Asks the node what programs want. */
export async function lookForSigns(open: OpenCore): Promise<void> {
  signs.set(open.core.id, await signRequests(open.core))
}

/** What a request waits for, as far as one person is concerned. */
export type Turn = 'vote' | 'finish' | 'others'

export function turnOf(request: VoteRequest, you: string): Turn {
  if (request.by === you) return request.standing === 'ready' ? 'finish' : 'others'
  return request.missing.some((account) => account === you) ? 'vote' : 'others'
}

/** How many things wait for who is signed in. */
export function waitingFor(open: OpenCore): number {
  const you = open.core.session.account
  const votes = voteRequests(open.core).filter((request) => turnOf(request, you) !== 'others')
  return votes.length + signsOf(open).length
}
