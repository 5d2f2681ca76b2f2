// IPNS records made by Kubo are served here, and Kubo finds those made here good.

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

/** The name of the core follows its public root: its record is signed, and leads to what the core publishes. */
export async function inspectOurs (checks, node, kubo) {
  await checks.check('our record is good for Kubo', async () => {
    const { ipns } = await (await node.anonymous(node.core, { headers: { accept: 'application/json' } })).json()
    const record = await answer(() => node.anonymous(`/routing/v1/ipns/${ipns}`, { headers: { accept: TYPE } }))
    const said = JSON.parse(await kubo.text(['name', 'inspect', `--verify=${ipns}`, '--enc=json'], { input: record }))
    expect(said.Validation?.Valid === true, JSON.stringify(said))
    expect(/^\/ipfs\/b/.test(said.Entry.Value), said.Entry.Value)
    const page = await node.anonymous(`${said.Entry.Value}/unixfs-v1-2025/site/style.css`)
    expect(page.status === 200, `${page.url} answered ${page.status}`)
  })
}

// A record is signed in the background, soon after the first thing is published.
async function answer (ask) {
  for (const end = Date.now() + 10_000; ;) {
    const response = await ask()
    if (response.ok) {
      return Buffer.from(await response.arrayBuffer())
    }
    expect(Date.now() < end, `still answers ${response.status}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

function expect (is, otherwise) {
  if (!is) {
    throw new Error(otherwise)
  }
}
