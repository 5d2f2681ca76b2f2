import { ForeignMessageError, type Schemas, type Session, type Signer } from '@kubelt/sdk'

/**
 * Ends a session by the word of the wallet itself, in every core that it covers; the wallet is asked once for each.
 *
 * @returns cores in which its key may still write
 * @throws ForeignMessageError where the node asks to sign anything else; SignatureRejectedError, NetworkError, ProblemError.
 */
export async function endEverywhere({ client }: Session, signer: Signer, id: string): Promise<readonly string[]> {
  const body = { account: signer.account, session: id }
  const waiting: Schemas['Challenge'][] = [await client.call('post', '/-/session/end/challenge', { body })]
  const left = new Set<string>()
  for (let challenge = waiting.shift(); challenge; challenge = waiting.shift()) {
    const { message, nonce } = challenge
    if (!endsOnly(message, id)) throw new ForeignMessageError('something else than the end of that session')
    const signature = toHex(await signer.sign(message))
    const ended = await client.call('post', '/-/session/end', { body: { nonce, signature } })
    waiting.push(...(ended?.more ?? []))
    for (const core of ended?.left ?? []) left.add(core)
  }
  return [...left]
}

/** Whether a message is an operation of the account that ends this session and does nothing else. */
export function endsOnly(message: string, id: string): boolean {
  const lines = message.split('\n')
  return lines[0] === 'Kubelt operation' && lines[2] === `End the sign-in ${id}.` && lines.includes('Act: logout')
}

function toHex(bytes: Uint8Array): string {
  return `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
