/**
 * The packages from a registry, by npm, pnpm and both kinds of Yarn: what is published, what of it is
 * installed, and what is said when the platform's package is missing. Needs the npm registry for the clients
 * and for what the package depends on.
 */
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packPackage } from '../../../scripts/package/pack.mjs'
import { ADDON, packageName, platformManifest } from '../../../scripts/package/platforms.mjs'
import * as programs from '../../../scripts/package/programs.mjs'
import { publishAll } from '../../../scripts/release/publish.mjs'
import { hostTarget, TARGETS } from '../../../scripts/targets.mjs'
import { standinPath } from '../../helpers/standins.js'
import { Application, CLIENTS, type Client } from './clients.js'
import { Registry, registryTools } from './registry.js'

const FLAGS = ['--provenance=false']
const here = hostTarget()
const elsewhere = Object.keys(TARGETS).filter((target) => target !== here)
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3 registry ü-'))
const registry = new Registry()
let packed: ReturnType<typeof packPackage>
let tools: string
let model: string
let env: NodeJS.ProcessEnv
let offline = false

beforeAll(async () => {
  model = await standinPath({ size: 'tiny' })
  try {
    tools = registryTools()
  } catch (error) {
    return skipAll((error as Error).message)
  }
  await registry.start(tools, work)
  if (!(await registry.has('commander'))) return skipAll('no commander upstream')
  const npmrc = path.join(work, '.npmrc')
  const account = registry.url.replace('http:', '')
  fs.writeFileSync(npmrc, `registry=${registry.url}\n${account}:_authToken=any\n`)
  env = { ...process.env, npm_config_userconfig: npmrc, npm_config_registry: registry.url }
  packed = packPackage({ out: work, local: true })
  await Promise.all(elsewhere.map(publishDummy))
})
afterAll(() => {
  registry.stop()
  fs.rmSync(work, { recursive: true, force: true })
})

function skipAll(reason: string): void {
  offline = true
  console.warn(`SKIPPED: the packages from a registry, no npm registry (${reason})`)
}

function addonSize(): number | undefined {
  const files: { path: string; size: number }[] = packed.platforms[0]?.files ?? []
  return files.find((file) => file.path === ADDON)?.size
}

/** A package as it is published, with no addon in it. */
async function publishDummy(target: string): Promise<void> {
  const folder = path.join(work, target)
  fs.mkdirSync(folder)
  fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify(platformManifest(target)))
  fs.writeFileSync(path.join(folder, ADDON), 'not for this machine')
  await promisify(execFile)('npm', ['publish', ...FLAGS], { cwd: folder, env })
}

function application(client: Client, name: string): Application {
  const folder = path.join(work, `${client.name} ${name}`)
  fs.mkdirSync(folder)
  return new Application(folder, client, tools, registry.url, model)
}

/** Runs a program that embeds. @returns the digest of its vector */
async function embeds(application: Application, file = 'app.mjs', text = programs.esm) {
  application.app.write(file, text)
  const { code, output } = await application.run(file)
  expect(code, output).toBe(0)
  return /"digest":"([0-9a-f]{16})"/.exec(output)?.[1]
}

describe('publishing', () => {
  it('sends the platforms first, and goes on where it broke off', async ({ skip }) => {
    skip(offline)
    const [platform] = packed.platforms
    const broken = { ...packed, file: path.join(work, 'none.tgz') }
    expect(() => publishAll(broken, FLAGS, env)).toThrow(/none\.tgz.*ENOENT/s)
    expect(await registry.has(packageName(here))).toBe(true)
    expect(await registry.has('bge-m3-node')).toBe(false)

    publishAll(packed, FLAGS, env)
    expect(await registry.has('bge-m3-node')).toBe(true)
    // other bytes under the same version are no success
    const changed = { ...packed, platforms: [{ ...platform, integrity: 'sha512-other' }] }
    expect(() => publishAll(changed, FLAGS, env)).toThrow(/409|403|cannot publish over/i)
  })
})

describe('an installation', () => {
  const digests = new Set<string | undefined>()
  // Yarn 1 knows no C libraries
  const expected = (client: Client) =>
    client.name === 'yarn 1' && here.startsWith('linux')
      ? [here, here.endsWith('-musl') ? here.replace('-musl', '') : `${here}-musl`].sort()
      : [here]

  it.for(CLIENTS)(
    'by $name brings this platform and runs',
    { timeout: 240_000 },
    async (client, { skip }) => {
      skip(offline)
      const app = application(client, 'plain')
      await app.add('bge-m3-node')
      const platforms = app.platforms()
      expect(Object.keys(platforms).sort()).toEqual(expected(client))
      expect(platforms[here]).toBe(addonSize())
      digests.add(await embeds(app))
      digests.add(await embeds(app, 'app.cjs', programs.commonJs))
      expect([...digests]).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/)])
    },
  )
})

describe('without the platform’s package', () => {
  const spec = () => packed.platforms[0]?.id as string
  const fails = async (app: Application) => {
    app.app.write('app.mjs', programs.esm)
    const { code, output } = await app.run('app.mjs')
    expect(code).toBe(1)
    expect(output).toContain("code: 'MODEL_LOAD'")
    return output
  }

  it.for(CLIENTS.filter(({ withoutOptional }) => withoutOptional))(
    'the error names the package and the command that brings it: $name',
    { timeout: 240_000 },
    async (client, { skip }) => {
      skip(offline)
      const app = application(client, 'without')
      await app.add('bge-m3-node', client.withoutOptional as string)
      expect(app.platforms()).toEqual({})
      const output = await fails(app)
      expect(output).toContain(`${spec()} is not installed`)
      expect(output).toContain(`npm install --no-save ${spec()}`)

      const doctor = await app.run('node_modules/bge-m3-node/dist/cli/main.js', 'doctor')
      expect(doctor.code).not.toBe(0)
      expect(doctor.output).toContain(`npm install --no-save ${spec()}`)

      await app.add(...(client.name === 'npm' ? ['--no-save'] : []), spec())
      expect(app.platforms()).toHaveProperty(here, addonSize())
      expect(await embeds(app)).toBeDefined()
    },
  )

  it('node_modules of another platform are known as such', async ({ skip }) => {
    skip(offline)
    const app = application(CLIENTS[0] as Client, 'moved')
    const [system, cpu] = here.startsWith('darwin') ? ['win32', 'x64'] : ['darwin', 'arm64']
    await app.add('bge-m3-node', `--os=${system}`, `--cpu=${cpu}`)
    const output = await fails(app)
    expect(output).toContain(`Prebuilt files that are installed: ${system}-${cpu}.`)
    expect(output).toContain('node_modules came from another platform')
  })
})
