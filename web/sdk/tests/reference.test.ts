import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const PACKAGE = fileURLToPath(new URL('..', import.meta.url))
const REFERENCE = fileURLToPath(new URL('../../../docs/reference/sdk', import.meta.url))

/** Paths of the node's API come and go without this package. */
const API_PATHS = /`"\/[^`]*"`( \\\| )?/g

async function pages(dir: string): Promise<Record<string, string>> {
  const names = (await readdir(dir, { recursive: true })).filter((name) => name.endsWith('.md')).sort()
  return Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, (await readFile(join(dir, name), 'utf8')).replace(API_PATHS, '')]),
    ),
  )
}

test('the reference is what the code says; `npm run docs` writes it', async () => {
  const out = await mkdtemp(join(tmpdir(), 'kubelt-sdk-docs-'))
  try {
    await promisify(execFile)('npm', ['run', '--silent', 'codegen'], { cwd: PACKAGE })
    await promisify(execFile)('npx', ['typedoc', '--out', out], { cwd: PACKAGE })
    expect(await pages(REFERENCE)).toEqual(await pages(out))
  } finally {
    await rm(out, { recursive: true })
  }
}, 300_000)
