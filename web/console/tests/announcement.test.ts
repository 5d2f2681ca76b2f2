import { expect, test } from 'vitest'
import { readAnnouncement } from '../src/state/announcement.js'

const provider = { request: async () => null }
const info = { name: 'A wallet', rdns: 'org.example', icon: 'data:image/png;base64,AAAA', uuid: '1' }

test('a wallet is shown as it announced itself', () => {
  expect(readAnnouncement({ info, provider })).toEqual({
    name: 'A wallet',
    rdns: 'org.example',
    icon: info.icon,
    provider,
  })
})

test('what is no wallet is left out, and pictures from elsewhere are not loaded', () => {
  for (const detail of [
    undefined,
    null,
    {},
    'x',
    { info },
    { info, provider: {} },
    { info: { ...info, name: 1 }, provider },
  ]) {
    expect(readAnnouncement(detail)).toBeUndefined()
  }
  expect(readAnnouncement({ info: { ...info, icon: 'https://example.org/track.png' }, provider })?.icon).toBeUndefined()
  expect(readAnnouncement({ info: { ...info, name: 'x'.repeat(500) }, provider })?.name).toHaveLength(64)
})
