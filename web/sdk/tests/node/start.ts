import { secp256k1 } from '@noble/curves/secp256k1.js'
import { startNode } from '../../../../conformance/node.mjs'
import { toHex } from '../../src/core/bytes.js'

/** A node in a directory of its own, on a free port of loopback. */
export interface TestNode {
  readonly url: string
  stop(): Promise<void>
}

/** Starts the binary that `KUBELT` names; `settings` are more of its settings file (TOML). */
export async function start(settings = ''): Promise<TestNode> {
  return (await startNode({ person: false, settings })) as TestNode
}

/** The private key of somebody new, as hex. */
export function newSecret(): string {
  return `0x${toHex(secp256k1.utils.randomSecretKey())}`
}
