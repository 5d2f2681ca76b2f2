// `curl`: ranges, a download taken up again, and what it asks for on its own.

import { deepStrictEqual as equal, ok } from 'node:assert'
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

export async function checkCurl (checks, { node, dir, files, cid }) {
  const exec = promisify(execFile)
  const curl = async (...args) =>
    (await exec('curl', ['--silent', '--show-error', ...args], { cwd: dir, encoding: 'buffer', maxBuffer: 1 << 26 })).stdout
  const large = files['large.bin']
  const url = `${node.url}/ipfs/${cid}/large.bin`

  for (const [range, expected] of [
    ['0-0', large.subarray(0, 1)], ['10-19', large.subarray(10, 20)], ['1048570-1048589', large.subarray(1048570, 1048590)],
    ['-5', large.subarray(-5)], [`${large.length - 3}-`, large.subarray(-3)], ['0-', large]
  ]) {
    await checks.check(`curl --range ${range}`, async () => {
      ok((await curl('--fail', '--range', range, url)).equals(expected), 'other bytes')
    })
  }
  await checks.check('curl --continue-at -', async () => {
    writeFileSync(join(dir, 'half.bin'), large.subarray(0, 3_000_000))
    await curl('--fail', '--continue-at', '-', '--output', 'half.bin', url)
    ok(readFileSync(join(dir, 'half.bin')).equals(large), 'other bytes')
  })
  await checks.check('curl --compressed', async () => {
    ok((await curl('--fail', '--compressed', url)).equals(large), 'other bytes')
  })
  await checks.check('curl --head', async () => {
    const head = (await curl('--head', url)).toString().toLowerCase()
    ok(head.startsWith('http/1.1 200') && head.includes(`content-length: ${large.length}`), head)
  })
  await checks.check('curl --etag-compare', async () => {
    await curl('--etag-save', 'etag', '--output', 'first.bin', url)
    const status = await curl('--etag-compare', 'etag', '--output', 'second.bin', '--write-out', '%{http_code}', url)
    equal(status.toString(), '304')
  })
  await checks.check('curl beyond the end', async () => {
    const status = await curl('--range', '99999999-', '--output', 'beyond.bin', '--write-out', '%{http_code}', url)
    equal(status.toString(), '416')
  })
  await checks.check('curl --location to an origin of its own', async () => {
    const port = new URL(node.url).port
    const page = await curl('--fail', '--location', '--resolve', `*:${port}:127.0.0.1`, `http://localhost:${port}/ipfs/${cid}/style.css`)
    equal(page.toString(), files['style.css'])
  })
}
