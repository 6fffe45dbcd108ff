// Installs the packed tarballs, this package's and this platform's, into a fresh folder, without install scripts and with nothing but node on
// the PATH, and embeds in every way that users run it.
//   node scripts/check-package.mjs [--tarball DIR|F] [--only esm,worker,...] [--quick] [--model F] [--json]
// Without --tarball it packs this checkout with this machine's addon; a file is a bundled one. --quick leaves
// out what must be fetched: other versions of Node, Vite, webpack, Next. Exit code 1 if a check fails.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { App, RegistryUnreachableError } from './package/app.mjs'
import * as bundlers from './package/checks/bundlers.mjs'
import { nextStandalone } from './package/checks/next.mjs'
import * as plain from './package/checks/node.mjs'
import { packPackage } from './package/pack.mjs'
import { tarballsAt, tinyModel } from './package/tried.mjs'
import { say } from './run.mjs'

const QUICK = {
  esm: plain.esm,
  commonjs: plain.commonJs,
  worker: plain.worker,
  command: plain.command,
  'esbuild-external': bundlers.esbuildExternal,
  'esbuild-inside': bundlers.esbuildInside,
  'tree-shaking': bundlers.treeShaking,
}
const FETCHED = {
  ...Object.fromEntries([20, 22, 24, 26].map((v) => [`node-${v}`, plain.otherNode(v)])),
  vite: bundlers.vite,
  webpack: bundlers.webpack,
  next: nextStandalone,
}

const { values: options } = parseArgs({
  options: {
    tarball: { type: 'string' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    model: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const all = options.quick ? QUICK : { ...QUICK, ...FETCHED }
const wanted = options.only?.split(',').map((name) => name.trim())
const checks = Object.entries(all).filter(([name]) => !wanted || wanted.includes(name))

const work = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3 package ü-')) // a path as users have them
const results = []
try {
  if (!options.tarball) packPackage({ out: work, local: true })
  const tarballs = tarballsAt(options.tarball ? path.resolve(options.tarball) : work)
  const app = new App(path.join(work, 'app'), options.model && path.resolve(options.model))
  let installed = true
  await record('install', () => {
    installed = false
    const ms = app.install(...tarballs)
    const built = path.join(app.folder, 'node_modules/bge-m3-node/build')
    if (fs.existsSync(built)) throw new Error('the installation built something')
    app.model ??= tinyModel(path.join(app.folder, 'node_modules/bge-m3-node/dist/cli/main.js'))
    installed = true
    return { detail: `${Math.round(ms)} ms` }
  })
  for (const [name, check] of installed ? checks : []) await record(name, () => check({ app }))
  compareBits()
} finally {
  fs.rmSync(work, { recursive: true, force: true })
}
if (options.json) console.log(JSON.stringify(results))
process.exitCode = results.some(({ status }) => status === 'failed') ? 1 : 0

async function record(name, check) {
  const from = performance.now()
  const result = { name, status: 'passed' }
  try {
    Object.assign(result, await check())
  } catch (error) {
    result.status = error instanceof RegistryUnreachableError ? 'skipped' : 'failed'
    result.detail = error.message
  }
  result.ms = Math.round(performance.now() - from)
  results.push(result)
  const { status, node, loadMs, loadCpuMs, detail } = result
  const facts = [
    node,
    loadMs !== undefined && `loaded in ${loadMs} ms (${loadCpuMs} ms of CPU)`,
    detail,
  ]
  say(`${status.padEnd(7)} ${name}  ${facts.filter(Boolean).join(', ')}`)
}

/** Whatever runs it, a text's bits are the same. */
function compareBits() {
  const first = results.find(({ digest }) => digest)
  for (const result of results) {
    if (!result.digest || result.digest === first.digest) continue
    result.status = 'failed'
    result.detail = `bits differ from those of ${first.name}`
    say(`failed  ${result.name}  ${result.detail}`)
  }
}
