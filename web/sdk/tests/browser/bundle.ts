import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type Rollup } from 'vite'

const source = (file: string) => fileURLToPath(new URL(`../../src/${file}`, import.meta.url))

/** What comes of a module that names the package, as a browser gets it. */
export interface Bundle {
  readonly code: string
  /** Bytes of what is loaded at first, compressed. */
  readonly gzipBytes: number
}

/** Bundles and minifies a module. With a `name`, it is one script that sets a global of that name. */
export async function bundle(module: string, name?: string): Promise<Bundle> {
  const entry = 'virtual:entry'
  const isScript = name !== undefined
  const built = (await build({
    configFile: false,
    logLevel: 'silent',
    resolve: { alias: { '@kubelt/sdk': source('index.ts') } },
    plugins: [
      {
        name: 'entry',
        enforce: 'pre',
        resolveId: (id) => (id === entry ? `\0${entry}` : undefined),
        load: (id) => (id === `\0${entry}` ? module : undefined),
      },
    ],
    build: {
      write: false,
      target: 'es2022',
      modulePreload: false,
      rollupOptions: {
        input: entry,
        preserveEntrySignatures: 'strict',
        output: isScript ? { format: 'iife', name, inlineDynamicImports: true } : { format: 'es' },
      },
    },
  })) as Rollup.RollupOutput
  const chunks = built.output.filter((chunk) => chunk.type === 'chunk')
  const first = chunks.filter(({ isDynamicEntry }) => !isDynamicEntry)
  const code = first.map((chunk) => chunk.code).join('\n')
  return { code, gzipBytes: gzipSync(code, { level: 9 }).length }
}
