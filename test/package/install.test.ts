/**
 * The tarball in a fresh folder, installed without scripts and with nothing but node on the PATH:
 * scripts/check-package.mjs, whose longer half (other versions of Node, Vite, webpack, Next) runs in the
 * long tests.
 */
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { root, run } from '../helpers/child.js'
import { standinPath } from '../helpers/standins.js'

interface Check {
  name: string
  status: 'passed' | 'failed' | 'skipped'
  detail?: string
  loadCpuMs?: number
  digest?: string
}

const QUICK = ['esm', 'commonjs', 'worker', 'command', 'esbuild-external', 'esbuild-inside']
const FETCHED = ['node-20', 'node-22', 'node-24', 'node-26', 'vite', 'webpack', 'next']
const long = process.env.BGE_M3_TEST_LONG === '1'
const names = ['install', ...QUICK, 'tree-shaking', ...(long ? FETCHED : [])]

let checks: Check[]
let log: string
beforeAll(async () => {
  const script = path.join(root, 'scripts/check-package.mjs')
  const model = await standinPath({ size: 'tiny' })
  const end = await run(
    process.execPath,
    [script, '--json', '--model', model, ...(long ? [] : ['--quick'])],
    { deadline: long ? 1_500_000 : 240_000 },
  )
  log = `${end.stdout}\n${end.stderr}`
  checks = JSON.parse(end.stdout)
}, 1_600_000)

const check = (name: string) => checks.find((found) => found.name === name)

describe('the packed tarball', () => {
  it.each(names)('%s', (name) => {
    const registry = check('install')?.status === 'skipped' || check(name)?.status === 'skipped'
    if (registry) return console.warn(`skipped: ${name} of the packed tarball, no npm registry`)
    expect(check(name)?.status, `${check(name)?.detail ?? log}`).toBe('passed')
  })

  it('loads the tiny model in under a second of processor time', () => {
    if (check('install')?.status === 'skipped') return console.warn('skipped: no npm registry')
    // the time itself is in docs/benchmarks.md: here other tests run beside
    for (const name of ['esm', 'commonjs']) expect(check(name)?.loadCpuMs).toBeLessThan(1000)
  })
})
