// IPNS records made by Kubo are served here.

const TYPE = 'application/vnd.ipfs.ipns-record'

export async function exchangeRecords (checks, node, kubo, roots) {
  for (const type of ['ed25519', 'rsa']) {
    const key = `judge-${type}`
    const name = await kubo.text(['key', 'gen', `--type=${type}`, '--ipns-base=base36', key])
    await kubo.run(['name', 'publish', '--allow-offline', `--key=${key}`, `/ipfs/${roots.site}`])
    const asked = await fetch(`${kubo.gateway}/ipns/${name}?format=ipns-record`)
    const record = Buffer.from(await asked.arrayBuffer())
    await checks.check(`a record of Kubo (${type}) is taken and given back`, async () => {
      const put = await node.fetch(`/routing/v1/ipns/${name}`, { method: 'PUT', headers: { 'content-type': TYPE }, body: record })
      expect(put.ok, `PUT answered ${put.status}: ${put.ok || await put.text()}`)
      const got = await node.anonymous(`/routing/v1/ipns/${name}`, { headers: { accept: TYPE } })
      const bytes = Buffer.from(await got.arrayBuffer())
      expect(bytes.equals(record), `GET answered ${got.status} with other bytes`)
    })
    await checks.check(`a name of Kubo (${type}) opens its content here`, async () => {
      const page = await node.anonymous(`/ipns/${name}/style.css`)
      expect(page.status === 200, `answered ${page.status}`)
      expect(await page.text() === 'p { color: green }\n', 'other bytes')
    })
    await checks.check(`a damaged record (${type}) is refused`, async () => {
      const damaged = Buffer.from(record)
      damaged[damaged.length >> 1] ^= 1
      const put = await node.fetch(`/routing/v1/ipns/${name}`, { method: 'PUT', headers: { 'content-type': TYPE }, body: damaged })
      expect(put.status >= 400 && put.status < 500, `answered ${put.status}`)
    })
  }
}

function expect (is, otherwise) {
  if (!is) {
    throw new Error(otherwise)
  }
}
