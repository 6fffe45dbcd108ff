/** scripts/release.mjs: versions and changelogs in a copy of the checkout's few files that it writes. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { root, run } from '../helpers/child.js'

const script = path.join(root, 'scripts/release.mjs')
const release = (...args: string[]) => run(process.execPath, [script, ...args])

/** What scripts/release/version.mjs gives for an expression. */
async function evaluate(expression: string): Promise<unknown> {
  const module = JSON.stringify(path.join(root, 'scripts/release/version.mjs'))
  const program = `import * as v from ${module}; console.log(JSON.stringify(${expression} ?? null))`
  const end = await run(process.execPath, ['--input-type=module', '-e', program])
  if (end.code !== 0) throw new Error(end.stderr)
  return JSON.parse(end.stdout)
}

describe('versions', () => {
  it('rise', async () => {
    expect(
      await evaluate(`['patch', 'minor', 'major', '1.2.3', '2.0.0-rc.1', '1.2.4']
        .map((to) => v.nextVersion('1.2.3', to))`),
    ).toEqual(['1.2.4', '1.3.0', '2.0.0', '1.2.3', '2.0.0-rc.1', '1.2.4'])
    expect(await evaluate(`v.nextVersion('1.0.0-rc.2', '1.0.0-rc.10')`)).toBe('1.0.0-rc.10')
  })

  it.each(['1.2.2', '1.2.3-rc.1', 'latest', '1.2', ''])('%o is refused after 1.2.3', async (to) => {
    await expect(evaluate(`v.nextVersion('1.2.3', ${JSON.stringify(to)})`)).rejects.toThrow(
      /lower|no version/,
    )
  })
})

describe('prepare', () => {
  let copy: string
  const changelog = () => fs.readFileSync(path.join(copy, 'CHANGELOG.md'), 'utf8')
  const version = (file: string) =>
    JSON.parse(fs.readFileSync(path.join(copy, file), 'utf8')).version
  beforeEach(() => {
    copy = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-release-'))
    const manifest = { name: 'x', version: '0.1.0', scripts: { version: 'exit 1' } }
    const packages = { '': { name: 'x', version: '0.1.0' } }
    const lock = { name: 'x', version: '0.1.0', lockfileVersion: 3, packages }
    fs.writeFileSync(path.join(copy, 'package.json'), JSON.stringify(manifest))
    fs.writeFileSync(path.join(copy, 'package-lock.json'), JSON.stringify(lock))
    fs.writeFileSync(
      path.join(copy, 'CHANGELOG.md'),
      '# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n\n## [0.1.0] - 2026-01-01\n\n- First.\n\n[0.1.0]: #x\n',
    )
  })
  afterEach(() => fs.rmSync(copy, { recursive: true, force: true }))

  it('dates the changelog and sets the version everywhere', async () => {
    const end = await release('prepare', 'minor', '--root', copy)
    expect(end.code, end.stderr).toBe(0)
    expect([version('package.json'), version('package-lock.json')]).toEqual(['0.2.0', '0.2.0'])
    const today = new Date().toISOString().slice(0, 10)
    expect(changelog()).toContain(
      `## [Unreleased]\n\n## [0.2.0] - ${today}\n\n### Added\n\n- A thing.`,
    )
    const text = JSON.stringify(changelog())
    expect(await evaluate(`v.changelogSection(${text}, '0.2.0')`)).toBe('### Added\n\n- A thing.')
    expect(await evaluate(`v.changelogSection(${text}, '0.1.0')`)).toBe('- First.')
    expect(await evaluate(`v.changelogSection(${text}, 'Unreleased')`)).toBe('')
    expect(await evaluate(`v.changelogSection(${text}, '0.3.0')`)).toBeNull()
  })

  it.each([
    ['0.1.0', 'section [0.1.0] already'],
    ['0.0.9', 'lower'],
  ])('%s is refused, and nothing is written', async (to, message) => {
    const before = changelog()
    const end = await release('prepare', to, '--root', copy)
    expect(end.code).toBe(2)
    expect(end.stderr).toContain(message)
    expect(changelog()).toBe(before)
    expect(version('package.json')).toBe('0.1.0')
  })

  it('refuses when nothing is unreleased', async () => {
    await release('prepare', 'patch', '--root', copy)
    const end = await release('prepare', 'patch', '--root', copy)
    expect(end.stderr).toContain('nothing under [Unreleased]')
    expect(version('package.json')).toBe('0.1.1')
  })
})

describe('the checks', () => {
  it('never publish unless all of them ran', async () => {
    for (const args of [['--skip', 'tests'], ['--only', 'publish'], ['--local'], ['--dry-run']]) {
      expect(await release('--publish', ...args)).toMatchObject({ code: 2 })
    }
    expect(await release('--only', 'nonsense')).toMatchObject({ code: 2 })
  })

  it('are all wrong where everything is wrong', async () => {
    const copy = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-release-'))
    try {
      const write = (name: string, value: unknown) =>
        fs.writeFileSync(path.join(copy, name), JSON.stringify(value))
      write('package.json', { name: 'x', version: '1.0.0' })
      write('package-lock.json', { version: '0.9.0', packages: { '': {} } })
      fs.writeFileSync(path.join(copy, 'CHANGELOG.md'), '# Changelog\n')
      execFileSync('git', ['init', '-q'], { cwd: copy })
      const only = 'version,changelog,repository,publint,publish'
      const end = await release('--root', copy, '--only', only, '--json')
      expect(end.code).toBe(1)
      const results: { name: string; status: string }[] = JSON.parse(end.stdout)
      // and npm is never called after a failure
      expect(results.map(({ name, status }) => `${name} ${status}`)).toEqual([
        'version failed',
        'changelog failed',
        'repository failed',
        'publint failed',
      ])
    } finally {
      fs.rmSync(copy, { recursive: true, force: true })
    }
  })
})

describe('workflows', () => {
  const folder = path.join(root, '.github/workflows')
  const files = fs.readdirSync(folder)

  it.each(files)('%s calls only what is in this repository', (file) => {
    const workflow = parse(fs.readFileSync(path.join(folder, file), 'utf8'))
    const jobs = Object.values(workflow.jobs) as {
      uses?: string
      needs?: string | string[]
      steps?: { run?: string; uses?: string }[]
    }[]
    for (const { uses } of jobs)
      if (uses) expect(fs.existsSync(path.join(root, uses)), uses).toBe(true)
    const needed = jobs.flatMap(({ needs = [] }) => needs)
    expect(Object.keys(workflow.jobs)).toEqual(expect.arrayContaining(needed))
    for (const step of jobs.flatMap(({ steps = [] }) => steps)) {
      // actions of GitHub's own, at a fixed version
      if (step.uses) expect(step.uses).toMatch(/^(actions\/[\w-]+@v\d+|\.\/)/)
      for (const line of step.run?.trim().split('\n') ?? []) {
        const called = /^(?:sudo )?(?:bash|node) (\S+)/.exec(line.trim())?.[1]
        if (line.trim().startsWith('npm install --no-save --ignore-scripts')) continue
        const npmScript = /^npm (?:run (\S+)|(test))/.exec(line.trim())
        if (called) expect(fs.existsSync(path.join(root, called)), line).toBe(true)
        else expect(npmScript, line).not.toBeNull()
        if (npmScript) {
          const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
          expect(manifest.scripts).toHaveProperty(npmScript[1] ?? npmScript[2] ?? '')
        }
      }
    }
  })
})

describe('the benchmark page', () => {
  it('is what the kept results give', async () => {
    const module = JSON.stringify(path.join(root, 'bench/node/page.mjs'))
    const program = `import { page } from ${module}; process.stdout.write(page())`
    const end = await run(process.execPath, ['--input-type=module', '-e', program])
    expect(end.stderr).toBe('')
    const kept = fs.readFileSync(path.join(root, 'docs/benchmarks.md'), 'utf8')
    expect(`${end.stdout.trimEnd()}\n`).toBe(kept)
  })
})

describe('the steps on trained weights', () => {
  const steps = path.join(root, 'scripts/real-release.mjs')

  it('have commands, options and models that exist', async () => {
    const end = await run(process.execPath, [steps, '--dry-run'])
    expect(end.code, end.stderr).toBe(0)
    expect(end.stderr.match(/: ok$/gm)?.length).toBeGreaterThan(8)
  })

  it('are all run by the workflow, and nothing is published without them', async () => {
    const { stderr, code } = await run(process.execPath, [steps, 'no-such-step'])
    expect(code).toBe(1)
    const named = /which step: (.*), or/.exec(stderr)?.[1]?.split(', ') ?? []
    expect(named.length).toBeGreaterThan(3)
    const file = fs.readFileSync(path.join(root, '.github/workflows/release.yml'), 'utf8')
    const { jobs } = parse(file)
    const runs = jobs.real.steps.map(({ run }: { run?: string }) => run)
    for (const step of ['--dry-run', ...named]) {
      expect(runs).toContain(`node scripts/real-release.mjs ${step}`)
    }
    expect(jobs.publish.needs).toContain('real')
  })
})
