// `npm test`: installs and builds what is missing, then runs the C++ tests and the TypeScript tests.
//   --ci         under ASan and UBSan as well, and with the gate of coverage
//   --long       test/slow and the C++ fuzzers' long form instead (`npm run test:long`)
//   --times N    with --long: N times as long, and as many
// Begins with what is skipped here and why, ends with a line `N passed, N failed, N skipped`.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { skips } from '../test/helpers/needs.mjs'
import { ensureInstalled } from './install.mjs'
import { root } from './paths.mjs'
import { run, say } from './run.mjs'

const FUZZ_MUTATIONS = 4000

const { values: options } = parseArgs({
  options: {
    ci: { type: 'boolean' },
    long: { type: 'boolean' },
    times: { type: 'string', default: '1' },
  },
})
const times = Number(options.times)

function nativeTests(...args) {
  const result = spawnSync(
    process.execPath,
    [path.join(root, 'scripts/native.mjs'), 'test', ...args],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
    },
  )
  const last = result.stdout.trim().split('\n').at(-1)
  return last ? JSON.parse(last) : { passed: 0, failed: 1 }
}

function vitest(...args) {
  const report = path.join(root, '.build', 'vitest.json')
  fs.mkdirSync(path.dirname(report), { recursive: true })
  fs.rmSync(report, { force: true })
  const cli = path.join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const result = spawnSync(process.execPath, [cli, 'run', ...args, ...reporters], {
    cwd: root,
    stdio: ['ignore', 2, 'inherit'],
    env: { ...process.env, BGE_M3_TEST_TIMES: `${times}`, BGE_M3_TEST_SKIPS_SAID: '1' },
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
  if (!(times > 0)) throw new Error('--times takes a number above 0.')
  const started = Date.now()
  ensureInstalled()
  for (const line of skips()) say(`SKIPPED: ${line}`)
  run(process.execPath, [path.join(root, 'scripts', 'build.mjs'), '--if-needed'])
  const total = { passed: 0, failed: 0, skipped: 0 }
  const add = (count) => {
    for (const key of Object.keys(total)) total[key] += count[key] ?? 0
  }
  if (options.long) {
    say('C++ fuzzers')
    add(nativeTests('--mutations', `${FUZZ_MUTATIONS * times}`))
    say('test/slow')
    add(vitest('--project', 'slow'))
  } else {
    say('C++ tests')
    add(nativeTests())
    if (options.ci) {
      say('C++ tests under ASan and UBSan')
      add(nativeTests('--sanitize', 'address,undefined'))
    }
    say('TypeScript tests')
    add(vitest('--project', 'quick', ...(options.ci ? ['--coverage'] : [])))
  }
  say(`tests took ${((Date.now() - started) / 1000).toFixed(0)} s`)
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  process.exit(total.failed ? 1 : 0)
} catch (error) {
  say(error.message)
  console.log('0 passed, 1 failed, 0 skipped')
  process.exit(1)
}
