import { afterAll, beforeAll, expect, test } from 'vitest'
import { bindHost, checkHost, hostOf, hostsOf, listHosts, unbindHost } from '../../src/names/hosts.js'
import { someone } from './people.js'
import { start, type TestNode } from './start.js'

let node: TestNode
beforeAll(async () => {
  // It looks nothing up, so that no name is proved.
  node = await start()
})
afterAll(() => node.stop())

test('a host name is bound, checked, listed and taken away', async () => {
  const [ann, bob] = [await someone(node), await someone(node)]
  await bindHost(ann.core, 'Bücher.Example')
  expect((await ann.core.sync()).refused).toEqual([])
  const host = 'xn--bcher-kva.example'
  const checked = await checkHost(ann.core, 'bücher.example')
  expect(checked).toMatchObject({ host, bound: true, leads_here: false })
  expect(checked.why).not.toBe('')
  expect(checked.records.map(({ kind }) => kind)).toContain('TXT')
  expect((await listHosts(ann.core)).map((one) => one.host)).toEqual([host])
  expect(hostsOf(ann.core)).toEqual([host])
  await expect(listHosts({ session: bob.session, id: ann.core.id })).rejects.toMatchObject({ code: 'not-found' })
  await unbindHost(ann.core, host)
  await ann.core.sync()
  expect([await listHosts(ann.core), hostsOf(ann.core)]).toEqual([[], []])
})

test('what is no host name is said to be none', async () => {
  expect(hostOf(' Widgets.Example. ')).toBe('widgets.example')
  for (const bad of [
    '',
    'localhost',
    '127.0.0.1',
    'a.b:80',
    'http://a.b',
    'a.b/c',
    'a b.c',
    '[::1]',
    'a@b.c',
    '1.2.3.4.',
    'a..b c',
    '*.a.example',
    '_kubelt.a.example',
    '-a.example',
    'a-.example',
    'alice.eth',
    'a.localhost',
  ])
    expect(() => hostOf(bad), bad).toThrow(/is no host name/)
})
