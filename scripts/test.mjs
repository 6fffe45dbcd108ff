// `npm test`: installs and builds what is missing, then runs the C++ tests and the TypeScript tests.
//   --long   the long forms of soaks and fuzzers as well
// Ends with a line `N passed, N failed, N skipped`.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { ensureInstalled } from './install.mjs'
import { root } from './paths.mjs'
import { run, say } from './run.mjs'

const long = process.argv.includes('--long')
const node = (script, args, options = {}) =>
  spawnSync(process.execPath, [path.join(root, 'scripts', script), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    ...options,
  })

function nativeTests(args = []) {
  const result = node('native.mjs', ['test', ...args, ...(long ? ['--long'] : [])])
  const last = result.stdout.trim().split('\n').at(-1)
  return last ? JSON.parse(last) : { passed: 0, failed: 1 }
}

function vitest() {
  const report = path.join(root, '.build', 'vitest.json')
  fs.mkdirSync(path.dirname(report), { recursive: true })
  fs.rmSync(report, { force: true })
  const cli = path.join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const args = [
    cli,
    'run',
    '--coverage',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ]
  const result = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 2, 'inherit'],
    env: { ...process.env, BGE_M3_TEST_LONG: long ? '1' : '' },
  })
  if (!fs.existsSync(report)) return { passed: 0, failed: 1, skipped: 0 }
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numFailedTestSuites } =
    JSON.parse(fs.readFileSync(report, 'utf8'))
  let failed = numFailedTests
  // a suite that could not start, or coverage below the gate, has no failed test of its own
  if (failed === 0 && (result.status !== 0 || numFailedTestSuites > 0)) failed = 1
  return { passed: numPassedTests, failed, skipped: numPendingTests + numTodoTests }
}

try {
  const started = Date.now()
  ensureInstalled()
  run(process.execPath, [path.join(root, 'scripts', 'build.mjs'), '--if-needed'])
  const total = { passed: 0, failed: 0, skipped: 0 }
  const add = (count) => {
    for (const key of Object.keys(total)) total[key] += count[key] ?? 0
  }
  say('C++ tests')
  add(nativeTests())
  if (process.env.BGE_M3_TEST_SANITIZE) {
    say('C++ tests under ASan and UBSan')
    add(nativeTests(['--sanitize', 'address,undefined']))
  }
  say('TypeScript tests')
  add(vitest())
  say(`tests took ${((Date.now() - started) / 1000).toFixed(0)} s`)
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  process.exit(total.failed ? 1 : 0)
} catch (error) {
  say(error.message)
  console.log('0 passed, 1 failed')
  process.exit(1)
}
