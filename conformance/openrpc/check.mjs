// The description of JSON-RPC: OpenRPC's own schema takes it, it is the one in the repository, and what a node answers fits what
// it says.

import { readFileSync } from 'node:fs'
import utils from '@open-rpc/schema-utils-js'
import Ajv from 'ajv'
import { Checks } from '../checks.mjs'
import { startNode } from '../node.mjs'

const checks = new Checks()
const node = await startNode()
try {
  await run()
} catch (error) {
  await checks.check('the checks ran to their end', () => { throw error })
} finally {
  await node.stop()
}
checks.close()

async function call (method, params = []) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const response = await node.fetch(`${node.core}/-/rpc`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return response.json()
}

async function run () {
  const { result: document } = await call('rpc.discover')
  const written = JSON.parse(readFileSync(new URL('../../spec/openrpc.json', import.meta.url), 'utf8'))
  await checks.equal('the description is the one in the repository', document, written)
  await checks.check('OpenRPC\'s schema takes it', () => {
    const valid = utils.validateOpenRPCDocument(structuredClone(document))
    if (valid !== true) throw valid
  })
  await checks.check('and refuses it where it is broken', () => {
    const broken = structuredClone(document)
    delete broken.methods[0].params
    if (utils.validateOpenRPCDocument(broken) === true) throw new Error('it took that')
  })
  await checks.check('everything that it names is there', () => utils.parseOpenRPCDocument(structuredClone(document)))
  const names = document.methods.map(({ name }) => name)
  await checks.equal('each name stands once', new Set(names).size, names.length)

  const ajv = new Ajv({ strict: false, validateFormats: false })
  const calling = new utils.MethodCallValidator(await utils.parseOpenRPCDocument(structuredClone(document)))
  await node.fetch(`${node.core}/-/content/a/b.txt?visibility=public`, { method: 'PUT', body: 'hello' })
  const fits = async (method, params) => checks.check(`${method} answers what it says`, async () => {
    const wrong = calling.validate(method, params)
    if (wrong instanceof Error || wrong.length > 0) throw new Error(wrong.map(({ message }) => message.slice(-500)).join())
    const { result, error } = await call(method, params)
    if (error) throw new Error(JSON.stringify(error))
    const { schema } = document.methods.find(({ name }) => name === method).result
    const validate = ajv.compile({ ...schema, components: document.components })
    if (!validate(result)) throw new Error(`${JSON.stringify(result)}: ${JSON.stringify(validate.errors)}`)
    return result
  })
  for (const method of [
    'kb_core', 'kb_usage', 'kb_heads', 'kb_readOps', 'kb_listSessions', 'kb_listMembers', 'kb_listCores', 'kb_listRequests',
    'kb_listPins', 'kb_listRemotePins', 'kb_listRemotes', 'kb_ownInvites', 'kb_roles', 'kb_listHeirs', 'kb_heirTo', 'kb_listMirrors', 'kb_listGates', 'kb_node', 'kb_listPeers', 'kb_wallet',
    'kb_exportCar', 'eth_accounts', 'web3_clientVersion'
  ]) await fits(method, [])
  await fits('kb_state', ['content'])
  await fits('kb_setState', ['profile/name', 'Ann'])
  await fits('kb_clearState', ['profile/name'])
  await fits('kb_listContent', ['a'])
  await fits('kb_contentVersions', ['a/b.txt'])
  await fits('kb_getContent', ['a/b.txt'])
  await fits('kb_receipt', ['a/b.txt'])
  await fits('kb_possession', [{ cids: [] }])
  await fits('kb_challenge', [{ account: node.account }])
  await fits('kb_createCore', [{ name: 'acme' }])
  await fits('kb_draftOps', [{ act: { put: { path: 'profile/name', value: 'Ann' } } }])
  const { cid } = (await call('kb_listContent', ['a'])).result.entries[0]
  await fits('kb_linkContent', ['c.txt', cid])
  await fits('kb_addPin', [{ cid }])
  const { results: [{ requestid }] } = (await call('kb_listPins')).result
  await fits('kb_getPin', [requestid])
  await fits('kb_removePin', [requestid])
  await fits('kb_deleteContent', ['c.txt'])
  await fits('kb_endThisSession', [])
}
