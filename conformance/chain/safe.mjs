// Safes on a chain of its own: the contracts from their npm packages, owners and signatures by Safe's protocol kit.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import protocolKit from '@safe-global/protocol-kit'

const require = createRequire(import.meta.url)
const Safe = protocolKit.default ?? protocolKit

const FOLDERS = {
  Safe: '', SafeProxyFactory: 'proxies/', MultiSend: 'libraries/', MultiSendCallOnly: 'libraries/', CreateCall: 'libraries/',
  SignMessageLib: 'libraries/', CompatibilityFallbackHandler: 'handler/', SimulateTxAccessor: 'accessors/'
}

/** The Safe contracts of a package (`@safe-global/safe-contracts` has 1.4.1, `@safe-global/safe-smart-account` 1.5.0). */
export async function deploySafes (chain, from) {
  const at = {}
  for (const [name, folder] of Object.entries(FOLDERS)) {
    const path = require.resolve(`${from}/build/artifacts/contracts/${folder}${name}.sol/${name}.json`)
    at[name] = await chain.deploy(JSON.parse(readFileSync(path, 'utf8')))
  }
  return {
    [chain.id]: {
      safeSingletonAddress: at.Safe,
      safeProxyFactoryAddress: at.SafeProxyFactory,
      multiSendAddress: at.MultiSend,
      multiSendCallOnlyAddress: at.MultiSendCallOnly,
      fallbackHandlerAddress: at.CompatibilityFallbackHandler,
      signMessageLibAddress: at.SignMessageLib,
      createCallAddress: at.CreateCall,
      simulateTxAccessorAddress: at.SimulateTxAccessor,
      safeWebAuthnSignerFactoryAddress: at.CreateCall,
      safeWebAuthnSharedSignerAddress: at.CreateCall
    }
  }
}

/**
 * A Safe of these owners (private keys), of whom `threshold` must sign; the first of them has money.
 *
 * @returns `address`, `sign(text, keys)`: the signature of a text by these owners together, and `kit` of the first owner
 */
export async function makeSafe (chain, contractNetworks, owners, threshold, saltNonce = '1') {
  const provider = chain.url
  const predictedSafe = {
    safeAccountConfig: { owners: owners.map(({ address }) => address), threshold },
    safeDeploymentConfig: { saltNonce, safeVersion: '1.4.1', deploymentType: 'canonical' }
  }
  const planned = await Safe.init({ provider, signer: owners[0].key, predictedSafe, contractNetworks })
  const address = await planned.getAddress()
  const { to, value, data } = await planned.createSafeDeploymentTransaction()
  await chain.send(owners[0].account, { to, value: BigInt(value), data })
  const kits = []
  for (const { key } of owners) {
    kits.push(await Safe.init({ provider, signer: key, safeAddress: address, contractNetworks }))
  }
  const sign = async (text, signers) => {
    let message = kits[0].createMessage(text)
    for (const index of signers) {
      message = await kits[index].signMessage(message)
    }
    return message.encodedSignatures()
  }
  return { address: address.toLowerCase(), sign, kit: kits[0], chainUrl: chain.url }
}
