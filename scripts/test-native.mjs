// Builds and runs the C++ tests.
//   node scripts/test-native.mjs [--sanitize address,undefined | thread] [--mutations N]
// With --mutations only the fuzzers run, with so many. Prints a summary on stderr and, as its last stdout line, JSON {passed, failed}.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { root } from './paths.mjs'
import { run, say } from './run.mjs'

const { values: options } = parseArgs({
  options: { sanitize: { type: 'string', default: '' }, mutations: { type: 'string' } },
})

const tree = path.join(
  root,
  '.build',
  `tests${options.sanitize ? `-${options.sanitize.replaceAll(',', '-')}` : ''}`,
)

function build() {
  const started = Date.now()
  const args = [
    '-S',
    root,
    '-B',
    tree,
    '-DBGE_ADDON=OFF',
    '-DBGE_TESTS=ON',
    // no processor of ours has it
    '-DBGE_AMX_EMULATED=ON',
    `-DBGE_SANITIZE=${options.sanitize}`,
  ]
  if (spawnSync('ninja', ['--version']).status === 0 && !fs.existsSync(path.join(tree, 'Makefile')))
    args.push('-G', 'Ninja')
  run('cmake', args, { quiet: true })
  run('cmake', ['--build', tree, '--parallel'], { quiet: true })
  say(`built the C++ tests in ${((Date.now() - started) / 1000).toFixed(1)} s`)
}

/** Every executable named test_* in the tree's bin folder is a test; fuzz_* take a number of mutations. */
function execute() {
  const bin = path.join(tree, 'bin')
  const count = { passed: 0, failed: 0 }
  for (const name of fs.readdirSync(bin).sort()) {
    const fuzz = name.startsWith('fuzz_')
    if (!fuzz && (options.mutations || !name.startsWith('test_'))) continue
    const args = fuzz ? [options.mutations ?? (options.sanitize ? '150' : '400')] : []
    const result = spawnSync(path.join(bin, name), args, {
      cwd: root,
      encoding: 'utf8',
      timeout: options.mutations ? 0 : 15 * 60_000,
      env: {
        ...process.env,
        // llama.cpp is not instrumented: containers that cross the border look overflowed
        ASAN_OPTIONS: 'detect_container_overflow=0:detect_leaks=1',
        UBSAN_OPTIONS: 'print_stacktrace=1',
        TSAN_OPTIONS: `suppressions=${path.join(root, 'native', 'test', 'tsan.supp')}`,
      },
    })
    const output = `${result.stdout}${result.stderr}`
    const summary = /^(?:ok|FAIL) (\d+) tests?, (\d+) failed/m.exec(output)
    const failed = summary ? Number(summary[2]) : 0
    const bad = result.status !== 0 && failed === 0 ? 1 : failed
    count.failed += bad
    count.passed += summary ? Number(summary[1]) - failed : bad ? 0 : 1
    process.stderr.write(`  ${bad ? 'FAIL' : 'ok  '} ${name}${summary ? ` (${summary[1]})` : ''}\n`)
    if (bad)
      process.stderr.write(`${output.split('\n').slice(-80).join('\n')}\n${result.signal ?? ''}\n`)
  }
  return count
}

try {
  build()
  const count = execute()
  process.stdout.write(`${JSON.stringify(count)}\n`)
  process.exit(count.failed ? 1 : 0)
} catch (error) {
  say(error.message)
  process.exit(1)
}
