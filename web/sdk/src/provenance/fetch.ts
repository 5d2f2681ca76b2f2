/**
 * Proofs of provenance of what stands in a core, and of what was sent there from elsewhere.
 *
 * @module
 */

import type { CID } from 'multiformats/cid'
import { RAW } from '../content/block.js'
import type { FileData } from '../content/pieces.js'
import { CHUNK_BYTES, importFile } from '../content/unixfs.js'
import { IntegrityError, ProblemError } from '../errors.js'
import type { CoreAt } from '../members/place.js'
import { type Provenance, verifyProof } from './proof.js'

/** What `kubelt send` puts a proof beside content with. */
const SUFFIX = '.proof'

/** Where content came from. */
export interface Origin {
  /** Who put it where it stands. */
  readonly here: Provenance
  /** Who put it where it was sent from, where it was. */
  readonly from?: Provenance
}

/**
 * The proof of what stands at a path of a core, as a file that anybody can check with `verifyProof` or `kubelt verify`. Pass
 * it on, or keep it.
 *
 * @throws ProblemError `not-found`; NetworkError.
 */
export async function fetchProof({ session, id }: CoreAt, path: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await session.client.send(`/@${id}/-/proofs/${written(path)}`)
  return new Uint8Array(await response.arrayBuffer())
}

/**
 * Who put what stands at a path, and, where it was sent there, who put it where it came from. The node is not believed.
 *
 * @throws KubeltError `bad-proof`; IntegrityError where a proof is about something else; ProblemError; NetworkError.
 */
export async function originOf(at: CoreAt, path: string): Promise<Origin> {
  const here = verifyProof(await fetchProof(at, path))
  if (here.core !== at.id || here.path !== `content/${path}`) throw new IntegrityError(`The proof of \`${path}\``)
  const beside = await proofBeside(at, path)
  if (!beside) return { here }
  const from = verifyProof(beside)
  if (!from.entry.cid.equals(here.entry.cid)) throw new IntegrityError(`The content at \`${path}\`, by its proof,`)
  return { here, from }
}

/**
 * Whether data is the file with a CID.
 *
 * @returns `unknown` where the CID may have been made of the same bytes in another way than this package makes them
 */
export async function isContentOf(cid: CID, data: FileData): Promise<'same' | 'other' | 'unknown'> {
  const found = await importFile(data, async () => {})
  if (found.cid.toString() === cid.toString()) return 'same'
  // A file that is one block is made of its bytes in one way only.
  return isBlockOf(cid, found.cid) && found.size <= CHUNK_BYTES ? 'other' : 'unknown'
}

function isBlockOf(cid: CID, found: CID): boolean {
  return cid.code === RAW && cid.multihash.code === found.multihash.code
}

async function proofBeside({ session, id }: CoreAt, path: string): Promise<Uint8Array | undefined> {
  try {
    const response = await session.client.send(`/@${id}/-/content/${written(path)}${SUFFIX}`)
    return new Uint8Array(await response.arrayBuffer())
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'not-found') return undefined
    throw error
  }
}

function written(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}
