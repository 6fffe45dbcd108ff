// The package behind bundlers. It belongs outside the bundle, as every package with an addon does; inside
// one it works as an ES module with the platform's package beside the bundle.
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from '../../paths.mjs'
import * as programs from '../programs.mjs'

/** Compiled beside node_modules, the package left out. */
export async function esbuildExternal({ app }) {
  const entry = app.write('src/esbuild.mjs', programs.esm)
  const results = []
  for (const format of ['esm', 'cjs']) {
    const outfile = path.join(app.folder, 'out', `esbuild.${format === 'esm' ? 'mjs' : 'cjs'}`)
    await esbuild().build({
      entryPoints: [entry],
      outfile,
      format,
      bundle: true,
      platform: 'node',
      external: ['bge-m3-node'],
    })
    results.push(app.node(outfile))
  }
  return same(results)
}

/** All in one file, in a folder whose node_modules has the platform's package alone. */
export async function esbuildInside({ app }) {
  const entry = app.write('src/esbuild.mjs', programs.esm)
  const out = path.join(app.folder, '..', 'inside')
  await esbuild().build({
    entryPoints: [entry],
    outfile: path.join(out, 'bundle.mjs'),
    format: 'esm',
    bundle: true,
    platform: 'node',
    // CommonJS dependencies in an ES module
    banner: {
      js: "import { createRequire as _r } from 'node:module'; const require = _r(import.meta.url);",
    },
  })
  const scope = 'node_modules/@bge-m3-node'
  fs.cpSync(path.join(app.folder, scope), path.join(out, scope), { recursive: true })
  return app.node(path.join(out, 'bundle.mjs'), { cwd: out })
}

/** `vite build --ssr`, and the module runner of its development server. */
export async function vite({ app }) {
  app.install('vite@8')
  app.write(
    'vite.config.mjs',
    'export default { build: { ssr: "src/vite.mjs", outDir: "out/vite" } }\n',
  )
  app.write('src/vite.mjs', programs.esm)
  app.tool('vite/bin/vite.js', ['build', '--logLevel', 'error'])
  const built = app.node(findOne(path.join(app.folder, 'out/vite')))
  app.write('src/vite-module.mjs', programs.module)
  const runner = `import { createServer } from 'vite'
const server = await createServer({ appType: 'custom', configFile: false, logLevel: 'error',
  server: { middlewareMode: true, ws: false } })
const { main } = await server.ssrLoadModule('/src/vite-module.mjs')
console.log(JSON.stringify(await main()))
await server.close()
`
  return same([built, app.node(app.write('vite-dev.mjs', runner))])
}

/** `target: 'node'` with the package as an external, in both module formats. */
export function webpack({ app }) {
  app.install('webpack@5')
  app.write('src/webpack.mjs', programs.esm)
  const build = `import webpack from 'webpack'
const common = { mode: 'production', target: 'node20', entry: './src/webpack.mjs' }
const configs = [
  { ...common, output: { path: ${JSON.stringify(path.join(app.folder, 'out'))}, filename: 'webpack.cjs' },
    externals: { 'bge-m3-node': 'commonjs bge-m3-node', 'bge-m3-node/scoring': 'commonjs bge-m3-node/scoring' } },
  { ...common, output: { path: ${JSON.stringify(path.join(app.folder, 'out'))}, filename: 'webpack.mjs', module: true,
    chunkFormat: 'module' }, experiments: { outputModule: true }, externalsType: 'module',
    externals: ['bge-m3-node', 'bge-m3-node/scoring'] },
]
webpack(configs, (error, stats) => {
  if (error || stats.hasErrors() || stats.hasWarnings()) {
    console.error(error ?? stats.toString())
    process.exit(1)
  }
  console.log('{}')
})
`
  app.node(app.write('webpack-build.mjs', build))
  return same(
    ['cjs', 'mjs'].map((kind) => app.node(path.join(app.folder, 'out', `webpack.${kind}`))),
  )
}

/** What a bundle holds that takes the scores alone: no addon, no embedder, no built-in module. */
export async function treeShaking({ app }) {
  const entry = app.write('src/scores.mjs', "export { cosine } from 'bge-m3-node/scoring'\n")
  const { metafile } = await esbuild().build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'neutral',
  })
  const [{ bytes, inputs, imports }] = Object.values(metafile.outputs)
  const taken = Object.keys(inputs).filter((name) => inputs[name].bytesInOutput > 0)
  if (imports.length > 0) throw new Error(`imports ${imports.map((i) => i.path).join(', ')}`)
  if (bytes > 8192) throw new Error(`${bytes} bytes for one function: ${taken.join(', ')}`)
  return { detail: `${bytes} bytes` }
}

/** esbuild as the checkout has it: the application does not install one. */
function esbuild() {
  return createRequire(pathToFileURL(path.join(root, 'package.json')))('esbuild')
}

function findOne(folder) {
  return path.join(
    folder,
    fs.readdirSync(folder).find((name) => /\.m?js$/.test(name)),
  )
}

function same(results) {
  if (results.some(({ digest }) => digest !== results[0].digest)) throw new Error('bits differ')
  return results[0]
}
