/**
 * The packed tarball under the runners that people test with, whose realms have classes and globals of their own:
 * Jest and Vitest in every pool and environment. Needs the npm registry.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { App } from '../../../scripts/package/app.mjs'
import { root, run, runModule } from '../../helpers/child.js'
import { has } from '../../helpers/needs.mjs'
import { tinyPath } from '../../helpers/standins.js'
import { jestSuite, vitestSuite } from './suite.js'

const RUNNERS = ['jest@30', 'jest-environment-jsdom@30', 'vitest@3', 'jsdom@26', 'happy-dom@20']
const NEEDED = [...RUNNERS, 'abort-controller@3', 'libsql@0.5']
const POOLS = ['threads', 'forks', 'vmThreads', 'vmForks']
const ENVIRONMENTS = ['node', 'jsdom', 'happy-dom']
const script = (name: string) => JSON.stringify(path.join(root, `scripts/package/${name}.mjs`))

/** Every test of the suite: none is skipped, none left out. */
const TESTS = 5

/** In a process of its own: it takes a minute, and Vitest must hear of its worker meanwhile. */
const OFFLINE = 3
const SETUP = `import { App, RegistryUnreachableError } from ${script('app')}
import { packPackage } from ${script('pack')}
const { WORK, NEEDED } = process.env
const { file, platforms } = packPackage({ out: WORK, local: true })
try {
  new App(WORK + '/app', '').install(file, platforms[0].file, ...NEEDED.split(' '))
} catch (error) {
  if (!(error instanceof RegistryUnreachableError)) throw error
  process.exit(${OFFLINE})
}`

describe.skipIf(!has('registry'))('the packed tarball', () => {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3 realms ü-'))
  afterAll(() => fs.rmSync(work, { recursive: true, force: true }))
  let app: App
  let offline = false

  beforeAll(async () => {
    app = new App(path.join(work, 'app'), await tinyPath())
    const end = await runModule(SETUP, {
      deadline: 580_000,
      env: { ...process.env, WORK: work, NEEDED: NEEDED.join(' ') },
    })
    offline = end.code === OFFLINE
    if (offline) console.warn('SKIPPED: test runners with the packed tarball, no npm registry')
    else if (end.code !== 0) throw new Error(end.stderr)
    app.write('realm.spec.cjs', jestSuite)
    app.write('realm.spec.mjs', vitestSuite)
    app.write('vitest.config.mjs', 'export default { test: { include: ["realm.spec.mjs"] } }\n')
    app.write(
      'jest.config.cjs',
      'module.exports = { testMatch: ["**/*.spec.cjs"], transform: {} }\n',
    )
  })

  /** Runs a tool of the application. @returns what it said, without colours */
  async function tool(script: string, ...args: string[]) {
    const program = path.join(app.folder, 'node_modules', script)
    const end = await run(process.execPath, [program, ...args], {
      cwd: app.folder,
      deadline: 240_000,
      env: app.environment({ NO_COLOR: '1', CI: '1' }),
    })
    return `${end.stdout}${end.stderr}`
  }

  it.for(['node', 'jsdom'])(
    'works in Jest, %s',
    { timeout: 260_000 },
    async (environment, { skip }) => {
      skip(offline)
      const said = await tool('jest/bin/jest.js', `--env=${environment}`)
      expect(said).toMatch(new RegExp(`Tests: +${TESTS} passed, ${TESTS} total`))
    },
  )

  it.for(POOLS.flatMap((pool) => ENVIRONMENTS.map((environment) => [pool, environment] as const)))(
    'works in Vitest, %s, %s',
    { timeout: 260_000 },
    async ([pool, environment], { skip }) => {
      skip(offline)
      const args = ['run', `--pool=${pool}`, `--environment=${environment}`]
      const said = await tool('vitest/vitest.mjs', ...args)
      expect(said).toMatch(new RegExp(`Tests +${TESTS} passed \\(${TESTS}\\)`))
    },
  )
})
