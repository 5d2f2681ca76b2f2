// Runs the step of a composite GitHub Action as a runner would: inputs into its environment, its script into bash.

import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/**
 * Reads the action's definition (the part of YAML that it uses) and gives a function that runs it with `inputs` and gives
 * what it wrote to `result`.
 */
export async function readAction (file) {
  const lines = (await readFile(file, 'utf8')).split('\n')
  const block = name => {
    const at = lines.findIndex(line => line.trim().startsWith(`${name}:`))
    const depth = lines[at].search(/\S/)
    const end = lines.findIndex((line, index) => index > at && line.trim() !== '' && line.search(/\S/) <= depth)
    return lines.slice(at + 1, end === -1 ? undefined : end)
  }
  const script = block('run').map(line => line.slice(8)).join('\n')
  const around = Object.fromEntries(block('env').map(line => line.trim().match(/^(\w+): \$\{\{ inputs\.([\w-]+) \}\}$/).slice(1)))
  const defaults = { visibility: 'public', 'seal-to': '', kubelt: 'kubelt' }

  return async inputs => {
    const temporary = await mkdtemp(join(tmpdir(), 'runner-'))
    const output = join(temporary, 'output')
    const given = { ...defaults, ...inputs }
    const env = Object.fromEntries(Object.entries(around).map(([name, input]) => [name, given[input]]))
    try {
      await promisify(execFile)('bash', ['-c', script], {
        env: { PATH: process.env.PATH, RUNNER_TEMP: temporary, GITHUB_OUTPUT: output, ...env }
      })
      const written = await readFile(output, 'utf8')
      return JSON.parse(written.match(/^result<<(\w+)\n([^]*)\n\1\n$/)[2])
    } finally {
      await rm(temporary, { recursive: true })
    }
  }
}
