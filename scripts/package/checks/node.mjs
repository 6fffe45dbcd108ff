// The package on its own: ES modules, CommonJS, a worker thread, the command, other versions of Node.
import fs from 'node:fs'
import path from 'node:path'
import { buildCacheDir } from '../../paths.mjs'
import { App } from '../app.mjs'
import * as programs from '../programs.mjs'

export const esm = ({ app }) => app.node(app.write('esm.mjs', programs.esm))

export const commonJs = ({ app }) => app.node(app.write('common.cjs', programs.commonJs))

export const worker = ({ app }) => app.node(app.write('worker.mjs', programs.worker))

/** `bge-m3` as npm linked it, through the shebang line where there is one. */
export function command({ app }) {
  const main = path.join(app.folder, 'node_modules/bge-m3-node/dist/cli/main.js')
  const { dense, tokenCount } = app.node(main, { args: ['embed', 'What is BGE M3?'] })
  if (tokenCount !== 9 || !dense.every(Number.isFinite)) throw new Error('no embedding came back')
  const link = path.join(app.folder, 'node_modules/.bin/bge-m3')
  if (process.platform !== 'win32' && !fs.existsSync(link)) throw new Error('no bge-m3 in .bin')
  return { detail: `${dense.length} dimensions` }
}

/** All three kinds of program on another Node, whose binary is an npm package. */
export function otherNode(version) {
  return ({ app }) => {
    const node = nodeBinary(version)
    const results = [
      app.node(app.write('esm.mjs', programs.esm), { node }),
      app.node(app.write('common.cjs', programs.commonJs), { node }),
      app.node(app.write('worker.mjs', programs.worker), { node }),
    ]
    if (results.some(({ digest }) => digest !== results[0].digest)) throw new Error('bits differ')
    if (!results[0].node.startsWith(`v${version}.`)) throw new Error(`ran on ${results[0].node}`)
    return results[0]
  }
}

/** @returns the path of a Node of this major version, kept in the cache */
function nodeBinary(version) {
  const system = process.platform === 'win32' ? 'win' : process.platform
  const name = `node-${system}-${process.arch}`
  const folder = path.join(buildCacheDir(), 'nodes', `${name}-${version}`)
  const file = path.join(
    folder,
    'node_modules',
    name,
    'bin',
    system === 'win' ? 'node.exe' : 'node',
  )
  if (!fs.existsSync(file)) new App(folder, '').install(`${name}@${version}`)
  return file
}
