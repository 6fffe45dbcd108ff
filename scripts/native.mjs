// Builds and runs what is C++ alone, in the trees that CMakePresets.json names.
//   npm run native -- test [FILTER] [--isa X] [--sanitize address,undefined | thread] [--all]
//   npm run native -- test --mutations N   the fuzzers alone, with so many
//   npm run native -- bench [FILTER] [--isa X] [--model FILE] [--threads N] [--seconds S]
//   npm run native -- bits MODEL [--mixes N]
// A FILTER is part of a test's name or file; one that is met among the kernels needs no llama.cpp (--all
// looks elsewhere as well). A bench's FILTER is part of a kernel's shape, or texts x tokens as in 8x128.
// `test` prints a summary on stderr and, as its last stdout line, JSON {passed, failed}.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { root } from './paths.mjs'
import { run, say } from './run.mjs'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    isa: { type: 'string' },
    sanitize: { type: 'string' },
    mutations: { type: 'string' },
    all: { type: 'boolean', default: false },
    model: { type: 'string' },
    threads: { type: 'string', default: String(os.availableParallelism?.() ?? os.cpus().length) },
    seconds: { type: 'string', default: '0.3' },
    mixes: { type: 'string', default: '3' },
  },
})
const [command, subject = ''] = positionals
const SANITIZED = { 'address,undefined': 'asan', thread: 'tsan' }

const treeOf = (preset) => path.join(root, '.build', preset)
const program = (preset, name) =>
  path.join(treeOf(preset), 'bin', process.platform === 'win32' ? `${name}.exe` : name)
const seconds = (from) => `${((Date.now() - from) / 1000).toFixed(1)} s`

function build(preset, targets = []) {
  const started = Date.now()
  const tree = treeOf(preset)
  const fresh = !fs.existsSync(path.join(tree, 'CMakeCache.txt'))
  const ninja = fresh && spawnSync('ninja', ['--version']).status === 0 ? ['-G', 'Ninja'] : []
  // a tree knows by itself when to configure again
  if (fresh || preset !== 'kernels')
    run('cmake', ['--preset', preset, ...ninja], { quiet: true, cwd: root })
  const jobs = process.env.BGE_M3_BUILD_JOBS ? [process.env.BGE_M3_BUILD_JOBS] : []
  const only = targets.length ? ['--target', ...targets] : []
  run('cmake', ['--build', tree, '--parallel', ...jobs, ...only], { quiet: true })
  say(`built ${preset} in ${seconds(started)}`)
}

/** What this machine runs, best first; refuses an --isa that is not among them. */
function isas(preset) {
  const found = run(program(preset, 'runnable'), [], { quiet: true }).trim().split(' ')
  if (options.isa && !found.includes(options.isa))
    throw new Error(`This machine does not run ${options.isa}; it runs ${found.join(', ')}.`)
  return found
}

/** Files of a test folder with a test that the filter meets. */
function meets(folder) {
  return fs.readdirSync(path.join(root, 'native', 'test', folder)).filter((name) => {
    if (!name.endsWith('.cpp')) return false
    const text = fs.readFileSync(path.join(root, 'native', 'test', folder, name), 'utf8')
    const names = [...text.matchAll(/^TEST\(\s*"([^"]*)"/gm)].map((match) => match[1])
    return names.some((test) => test.includes(subject) || name.includes(subject))
  })
}

/** The tests that CMake has registered, with how they want to be called. */
function registered(preset) {
  const list = run('ctest', ['--show-only=json-v1'], { quiet: true, cwd: treeOf(preset) })
  return JSON.parse(list).tests.map(({ name, command: [file, ...args], properties }) => {
    const property = (wanted) => properties.find((one) => one.name === wanted)?.value
    const env = Object.fromEntries(property('ENVIRONMENT').map((line) => line.split(/=(.*)/s)))
    return { name, file, args, env, timeout: property('TIMEOUT') * 1000 }
  })
}

function test() {
  const preset = options.sanitize ? SANITIZED[options.sanitize] : 'tests'
  if (!preset) throw new Error(`--sanitize takes ${Object.keys(SANITIZED).join(' or ')}.`)
  if (subject && !['kernels', 'ggml', '.'].some((folder) => meets(folder).length))
    throw new Error(`No test has '${subject}' in its name or file.`)
  const small = subject && !options.sanitize && !options.all && meets('kernels').length > 0
  const tree = small ? 'kernels' : preset
  build(tree, small ? ['test_kernels', 'runnable'] : [])
  if (options.isa) isas(tree)
  const count = { passed: 0, failed: 0 }
  for (const { name, file, args, env, timeout } of registered(tree)) {
    const fuzz = name.startsWith('fuzz_')
    if (fuzz && !name.includes(subject)) continue
    if (options.mutations && !fuzz) continue
    if (options.mutations) args[0] = options.mutations
    const started = Date.now()
    const result = spawnSync(file, fuzz || !subject ? args : [subject], {
      cwd: root,
      encoding: 'utf8',
      timeout: options.mutations ? 0 : timeout,
      env: {
        ...process.env,
        ...env,
        ...(options.isa && { BGE_M3_ISA: options.isa }),
      },
    })
    const output = `${result.stdout}${result.stderr}`
    const summary = /^(?:ok|FAIL) (\d+) tests?, (\d+) failed/m.exec(output)
    if (subject && summary?.[1] === '0') continue
    const failed = summary ? Number(summary[2]) : 0
    const bad = result.status !== 0 && failed === 0 ? 1 : failed
    count.failed += bad
    count.passed += summary ? Number(summary[1]) - failed : bad ? 0 : 1
    const tests = summary ? ` (${summary[1]})` : ''
    process.stderr.write(`  ${bad ? 'FAIL' : 'ok  '} ${name}${tests} ${seconds(started)}\n`)
    if (bad)
      process.stderr.write(`${output.split('\n').slice(-80).join('\n')}\n${result.signal ?? ''}\n`)
  }
  process.stdout.write(`${JSON.stringify(count)}\n`)
  return count.failed ? 1 : 0
}

function show(file, args, env = {}) {
  const result = spawnSync(file, args, { stdio: 'inherit', env: { ...process.env, ...env } })
  if (result.error) throw result.error
  return result.status ?? 1
}

/** --model, or a stand-in with random weights. */
function model() {
  if (options.model) return options.model
  const file = path.join(root, '.build', 'bench-small.gguf')
  const cli = path.join(root, 'dist', 'cli', 'main.js')
  if (fs.existsSync(file)) return file
  if (!fs.existsSync(cli)) throw new Error('End-to-end needs --model FILE, or `npm run build`.')
  run(process.execPath, [cli, 'model', 'standin', '--size', 'small', '--output', file], {
    quiet: true,
  })
  return file
}

function bench() {
  const shape = /^\d+x\d+$/.test(subject)
  const { threads, isa } = options
  let status = 0
  if (!shape) {
    build('kernels', ['micro', 'runnable'])
    isas('kernels')
    const args = ['--threads', threads, '--seconds', options.seconds, '--filter', subject]
    status = show(program('kernels', 'micro'), isa ? [...args, '--isa', isa] : args)
  }
  if (shape || !subject) {
    build('bench', ['e2e', 'runnable'])
    isas('bench')
    const own = isa ? `block:${isa}` : 'block'
    const args = [model(), '--threads', threads, '--seconds', options.seconds, '--rounds', '3']
    args.push('--modes', `stock,${own}`, ...(shape ? ['--shapes', subject] : []))
    status ||= show(program('bench', 'e2e'), args)
  }
  return status
}

/** Token states of the same texts on every ISA: all must be the same bytes. */
function bits() {
  if (!subject) throw new Error('bits needs a MODEL.gguf.')
  build('bench', ['exact', 'runnable'])
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-bits-'))
  let status = 0
  try {
    for (const quant of ['block', 'fixed']) {
      const digests = new Set()
      for (const isa of isas('bench').reverse()) {
        const file = path.join(folder, 'states')
        const args = [subject, '--mixes', options.mixes, '--dump', file]
        const env = { BGE_M3_ISA: isa, BGE_M3_QUANT: quant }
        const ended = show(program('bench', 'exact'), args, env)
        if (ended > 1) throw new Error(`${subject} could not be computed.`)
        status ||= ended
        const digest = createHash('sha256').update(fs.readFileSync(file)).digest('hex')
        digests.add(digest)
        console.log(`  states ${digest.slice(0, 16)}`)
      }
      const same = digests.size === 1
      console.log(`${same ? 'ok   the same' : 'FAIL not the same'} bits on every ISA, ${quant}`)
      if (!same) status = 1
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
  return status
}

try {
  const commands = { test, bench, bits }
  if (!Object.hasOwn(commands, command ?? ''))
    throw new Error(
      'usage: npm run native -- test | bench | bits ... (scripts/native.mjs says more)',
    )
  process.exitCode = commands[command]()
} catch (error) {
  say(error.message)
  process.exitCode = 1
}
