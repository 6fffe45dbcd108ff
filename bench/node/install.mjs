// What it costs to install and to start: this package, onnxruntime-node and node-llama-cpp, in one run.
//   node bench/node/install.mjs [--model full.gguf] [--installs 3] [--starts 7] [--json F] [--report]
// Needs bench/peers (for the ONNX model) and the registry. Close what else computes: times are times.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { packPackage } from '../../scripts/package/pack.mjs'
import { makeOnnxModel } from '../peers/onnx-model.mjs'
import { benchCache } from '../race/cache-dir.mjs'
import { machine } from '../race/machine.mjs'
import { benchModel } from '../race/model.mjs'
import { contenders } from './install/contenders.mjs'
import { coldStart, install, sizes } from './install/measure.mjs'
import { installMarkdown } from './install/report.mjs'
import { report } from './page.mjs'

const root = path.resolve(import.meta.dirname, '../..')
const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    installs: { type: 'string', default: '3' },
    starts: { type: 'string', default: '7' },
    json: { type: 'string' },
    report: { type: 'boolean', default: false },
  },
})
const installs = Number(options.installs)
const starts = Number(options.starts)
const model = benchModel(options.model)
const npm = (...args) => execFileSync('npm', args, { encoding: 'utf8' }).trim()

/** Processes that wanted a core meanwhile, the bench's own among them. */
let load = os.loadavg()[0]
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-install-'))
try {
  const tiny = path.join(work, 'tiny.gguf')
  const cli = path.join(root, 'dist/cli/main.js')
  execFileSync(process.execPath, [cli, 'model', 'standin', '--size', 'tiny', '--output', tiny], {
    stdio: 'ignore',
  })
  const packed = packPackage({ out: work, local: true })
  const tarballs = [packed, ...packed.platforms].map(({ file }) => file)
  const { dependencies } = JSON.parse(
    fs.readFileSync(path.join(root, 'bench/peers/package.json'), 'utf8'),
  )
  const env = { MODEL: model, ONNX_MODEL: makeOnnxModel(path.join(benchCache, 'onnx'), 'fused') }
  const cache = npm('config', 'get', 'cache')
  const engines = contenders(tarballs, dependencies).map((contender) => ({
    ...contender,
    folder: path.join(work, contender.id.split(' ')[0]),
    install: [],
    start: [],
  }))

  for (let round = -1; round < installs; round++) {
    for (const engine of engines) {
      const seconds = install(engine.folder, engine.specs)
      if (round >= 0) engine.install.push(seconds) // the first one warms npm's cache
    }
    say(`installed, round ${round + 1} of ${installs}`)
  }
  for (const engine of engines) Object.assign(engine, sizes(engine.folder, cache))
  engines[0].startTiny = []
  for (let round = -1; round < starts; round++) {
    for (const { folder, program, start, startTiny } of engines) {
      const seconds = await coldStart(folder, program, env)
      if (round >= 0) start.push(seconds) // the first one brings the model into the page cache
      if (startTiny && round >= 0) {
        startTiny.push(await coldStart(folder, program, { MODEL: tiny }))
      }
    }
    load = Math.max(load, os.loadavg()[0])
    say(`started, round ${round + 1} of ${starts}`)
  }
  const result = {
    date: new Date().toISOString(),
    machine: machine(),
    load,
    npm: npm('--version'),
    installs,
    starts,
    platforms: packed.platforms.map(({ target }) => target),
    engines: engines.map(({ program, specs, folder, ...rest }) => rest),
  }
  process.stdout.write(installMarkdown(result))
  if (options.json) fs.writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`)
  if (options.report) report('install', result)
} finally {
  fs.rmSync(work, { recursive: true, force: true })
}

function say(line) {
  process.stderr.write(`${line}\n`)
}
