import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Plugin, transformWithEsbuild } from 'vite'

const SOURCE = fileURLToPath(new URL('src/service-worker.ts', import.meta.url))

/** Writes `sw.js` beside the page. It is told which files the console is made of, so that it changes whenever they do. */
export function serviceWorker(): Plugin {
  let publicFiles: string[] = []
  return {
    name: 'console-service-worker',
    apply: 'build',
    enforce: 'post',
    configResolved({ publicDir }) {
      publicFiles = readdirSync(publicDir)
    },
    async generateBundle(_options, bundle) {
      const files = [...Object.keys(bundle), ...publicFiles].sort()
      const { code } = await transformWithEsbuild(readFileSync(SOURCE, 'utf8'), SOURCE, {
        define: { FILES: JSON.stringify(files) },
        minify: true,
        sourcemap: false,
      })
      this.emitFile({ type: 'asset', fileName: 'sw.js', source: code })
    },
  }
}
