import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { environmentFindings } from '../../../lib/apps/cli/doctor/environment.js'
import { examine, type Finding } from '../../../lib/apps/cli/doctor/finding.js'
import { hubFindings } from '../../../lib/apps/cli/doctor/hub.js'
import { modelReport } from '../../../lib/apps/cli/doctor/model.js'
import { nativeReport } from '../../../lib/apps/cli/doctor/native.js'
import { storageFindings } from '../../../lib/apps/cli/doctor/storage.js'
import { type Host, systemFindings, thisHost } from '../../../lib/apps/cli/doctor/system.js'
import { MODEL_PIN } from '../../../lib/model/pins.js'
import { tinyPath } from '../../helpers/standins.js'
import { withoutNetworkSettings } from '../../model/hub/fixtures.js'
import { TestHub } from '../../model/hub/test-hub.js'
import { writeHeadless } from './headless.js'
import { cli, interruptible } from './run.js'

let model: string
let directory: string
beforeAll(async () => {
  model = await tinyPath()
  directory = await mkdtemp(path.join(tmpdir(), 'bge-m3-doctor-'))
})
afterAll(() => rm(directory, { recursive: true }))
afterEach(() => {
  vi.unstubAllEnvs()
})

const at = (...parts: string[]) => path.join(directory, ...parts)
const named = (findings: readonly Finding[], name: string) =>
  findings.find((finding) => finding.name === name)

describe('doctor', () => {
  it('finds nothing wrong with a sound installation', async () => {
    const args = ['doctor', '--model', model, '--cache-dir', at('cache')]
    const { code, stdout, stderr } = await cli(args)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const title of ['System', 'Native part', 'Model', 'Storage', 'Environment']) {
      expect(stdout).toContain(`\n${title}\n`)
    }
    expect(stdout).not.toContain('problem')
    // with the one thing that is
    expect(stdout).toMatch(/It works\. What could be better\n {2}1\. Model: .* is a stand-in/)
  })

  it('says the same as JSON', async () => {
    const { stdout } = await cli(['doctor', '--json', '--model', model, '--cache-dir', at('cache')])
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({ ok: true, version: expect.stringMatching(/^\d/) })
    expect(named(report.findings, 'Binary')).toMatchObject({ status: 'ok', area: 'native' })
    expect(named(report.findings, 'Model')).toMatchObject({ status: 'warning' })
    expect(named(report.findings, 'Heads')?.detail).toContain('sparse and ColBERT, in the model')
  })

  it('exits with 3 when only the model is missing, and says what to do', async () => {
    const { code, stdout } = await cli(['doctor', '--cache-dir', at('cache')])
    expect(code).toBe(3)
    expect(stdout).toMatch(/problem {2}Model {2}No model was found/)
    expect(stdout).toMatch(/What is wrong, and what to do\n {2}1\. .*bge-m3 model pull/)
  })

  it('exits with 1 when something else is wrong, and is not stopped by it', async () => {
    const env = { BGE_M3_THREADS: 'many', BGE_M3_MODEL: 'a\0b' }
    const { code, stdout } = await cli(['doctor'], { env })
    expect(code).toBe(1)
    expect(stdout).toContain('BGE_M3_THREADS must be an integer')
  })

  it('survives a native part that cannot be loaded', async () => {
    await writeFile(at('garbage.node'), 'this is no library')
    vi.stubEnv('BGE_M3_ADDON', at('garbage.node'))
    const { code, stdout } = await cli(['doctor', '--model', model, '--cache-dir', at('cache')])
    expect(code).toBe(1)
    expect(stdout).toContain('garbage.node does not load: ')
    expect(stdout).toContain('npm explore bge-m3-node -- npm run build')
    // and still looks at the rest
    expect(stdout).toMatch(/ok +Heads/)
  })

  it('asks the hub only when told to', async () => {
    withoutNetworkSettings()
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    const args = ['doctor', '--model', model, '--cache-dir', at('cache')]
    expect((await cli(args)).stdout).not.toContain('\nHub\n')
    expect((await cli([...args, '--online'])).stdout).toMatch(/\nHub\n.*HF_HUB_OFFLINE is set/)
  })

  it('can be interrupted', async () => {
    const { signal, interrupt } = interruptible()
    interrupt()
    expect((await cli(['doctor', '--model', model], { signal })).code).toBe(130)
  })
})

describe('examine', () => {
  it('turns whatever goes wrong into a problem', async () => {
    const failing = async () => {
      throw new Error('the lens broke')
    }
    expect(await examine('system', 'Eye', failing)).toEqual([
      { area: 'system', name: 'Eye', status: 'problem', detail: 'the lens broke' },
    ])
  })
})

describe('the system', () => {
  const host: Host = {
    nodeVersion: '22.1.0',
    platform: 'linux',
    arch: 'x64',
    libc: 'glibc',
    cpu: 'Some CPU',
    logicalCpus: 4,
    totalMemory: 8e9,
    freeMemory: 2e9,
    cpuFlags: ['avx2', 'fma', 'f16c', 'bmi2'],
  }
  const machine = {
    isa: 'avx2',
    quantization: 'block',
    cpuFeatures: ['avx2', 'fma', 'f16c', 'bmi2'],
    defaultThreads: 2,
    availableMemory: 1e9,
    residentMemory: 1e8,
  }

  it('is fine', () => {
    const findings = systemFindings(host, machine, 6e8)
    expect(findings.map(({ status }) => status)).toEqual(Array(5).fill('ok'))
    expect(named(findings, 'Processor')?.detail).toContain('kernels: avx2')
    expect(named(findings, 'Threads')?.detail).toMatch(/^2 by default .*4 logical processors/)
    expect(named(findings, 'Memory')?.detail).toBe(
      '1.0 GB may be allocated, of 8.0 GB; the model needs about 900.0 MB',
    )
  })

  it('needs Node 20', () => {
    const node = (nodeVersion: string) =>
      named(systemFindings({ ...host, nodeVersion }, machine, undefined), 'Node')?.status
    expect(node('18.20.0')).toBe('problem')
    expect(node('20.0.0')).toBe('ok')
  })

  it('needs the floor of features, known from Linux when the native part cannot say', () => {
    const old = { ...host, cpuFlags: ['avx2'] }
    const finding = named(systemFindings(old, undefined, undefined), 'Processor')
    expect(finding).toMatchObject({
      status: 'problem',
      advice: expect.stringContaining('x86-64-v3'),
    })
    expect(finding?.detail).toContain('lacks fma, f16c, bmi2')
    const arm = { ...host, arch: 'arm64', cpuFlags: [] }
    expect(named(systemFindings(arm, undefined, undefined), 'Processor')?.status).toBe('ok')
    const unknown = { ...host, cpuFlags: undefined }
    expect(named(systemFindings(unknown, undefined, undefined), 'Processor')?.status).toBe('info')
  })

  it('needs memory for the model', () => {
    const finding = named(systemFindings(host, machine, 9e8), 'Memory')
    expect(finding).toMatchObject({ status: 'problem', advice: expect.any(String) })
    const unknown = { ...machine, availableMemory: null }
    expect(named(systemFindings(host, unknown, 9e8), 'Memory')?.status).toBe('ok')
    expect(named(systemFindings(host, undefined, 9e8), 'Memory')?.status).toBe('ok')
  })

  it('is this one', () => {
    const here = thisHost()
    expect(here.nodeVersion).toBe(process.versions.node)
    if (process.platform === 'linux' && process.arch === 'x64') {
      expect(here.cpuFlags).toContain('avx2')
    }
  })
})

describe('the native part', () => {
  it('is tried in a process of its own, which may crash', async () => {
    await writeFile(at('crash.cjs'), "process.kill(process.pid, 'SIGSEGV'); for (;;);")
    const { findings, addon } = await nativeReport([at('crash.cjs')])
    expect(addon).toBeUndefined()
    expect(findings).toMatchObject([
      { status: 'problem', detail: `${at('crash.cjs')} does not load: it crashes (SIGSEGV)` },
    ])
  })

  it('says why a file does not load', async () => {
    await writeFile(at('throws.cjs'), "throw new Error('wrong libc')")
    await writeFile(at('exits.cjs'), 'process.exit(7)')
    const { findings } = await nativeReport([at('throws.cjs'), at('none.node'), at('exits.cjs')])
    expect(findings.map(({ detail }) => detail)).toEqual([
      `${at('throws.cjs')} does not load: Error: wrong libc`,
      `${at('exits.cjs')} does not load: exit code 7`,
    ])
  })

  it('says where it looked when there is none', async () => {
    const { findings } = await nativeReport([at('none.node')])
    expect(findings[0]?.detail).toContain(`Looked for: ${at('none.node')}`)
    expect(findings[0]?.detail).toContain(process.arch)
  })
})

describe('the model', () => {
  const report = (question: { model?: string; heads?: string }) =>
    modelReport({
      model: undefined,
      heads: undefined,
      cacheDir: at('cache'),
      env: {},
      signal: new AbortController().signal,
      ...question,
    })

  it('may be damaged', async () => {
    await writeFile(at('bad.gguf'), 'GGUFx')
    const { findings, bytes } = await report({ model: at('bad.gguf') })
    expect(findings).toMatchObject([{ area: 'model', status: 'problem' }])
    expect(bytes).toBeUndefined()
  })

  it('may have no heads, or the wrong ones', async () => {
    await writeHeadless(model, at('headless.gguf'))
    const without = await report({ model: at('headless.gguf') })
    expect(named(without.findings, 'Heads')).toMatchObject({ status: 'info' })
    const missing = await report({ model, heads: at('nowhere') })
    expect(named(missing.findings, 'Heads')).toMatchObject({ status: 'problem' })
  })

  it('may be another file than was pulled', async () => {
    await mkdir(at('pulled'))
    await copyFile(model, at('pulled', 'm.gguf'))
    const sidecar = { format: 'bge-m3-node/pulled-file', size: 5, sha256: '0'.repeat(64) }
    await writeFile(at('pulled', 'm.gguf.json'), JSON.stringify(sidecar))
    const { findings } = await report({ model: at('pulled') })
    expect(named(findings, 'Integrity')).toMatchObject({ status: 'problem' })
    // nobody has loaded this copy yet, so nothing is known of it
    await copyFile(model, at('unknown.gguf'))
    const unknown = await report({ model: at('unknown.gguf') })
    expect(named(unknown.findings, 'Integrity')).toMatchObject({ status: 'info' })
  })
})

describe('storage', () => {
  it('can be written, or made', async () => {
    expect((await storageFindings(directory))[0]).toMatchObject({ status: 'ok' })
    const [finding] = await storageFindings(at('a', 'b', 'c'))
    expect(finding).toMatchObject({ status: 'ok', detail: expect.stringContaining('is made when') })
  })

  it('cannot be written', async () => {
    await writeFile(at('file'), '')
    const [finding] = await storageFindings(at('file', 'below'))
    expect(finding).toMatchObject({ status: 'problem', detail: expect.stringContaining('ENOTDIR') })
    expect(finding?.advice).toContain('BGE_M3_CACHE_DIR')
    if (process.getuid?.() !== 0) {
      await mkdir(at('locked'))
      await chmod(at('locked'), 0o500)
      expect((await storageFindings(at('locked')))[0]?.detail).toContain('EACCES')
    }
  })
})

describe('the environment', () => {
  it('is told variable by variable, without secrets', () => {
    const findings = environmentFindings({
      PATH: '/bin',
      BGE_M3_THREADS: '2',
      BGE_M3_API_KEY: 'hunter2',
      HF_TOKEN: 'hunter2',
      HF_ENDPOINT: 'https://mirror.example',
      BGE_M3_HEADS: '',
    })
    expect(findings.map(({ name, detail }) => [name, detail])).toEqual([
      ['BGE_M3_API_KEY', 'is set'],
      ['BGE_M3_THREADS', 'is 2'],
      ['HF_ENDPOINT', 'is https://mirror.example'],
      ['HF_TOKEN', 'is set'],
    ])
  })

  it('has variables that nobody reads', () => {
    const [modle, other] = environmentFindings({ BGE_M3_MODLE: 'x', BGE_M3_ZZZZZZZZ: '1' })
    expect(modle).toMatchObject({ status: 'warning', advice: 'Did you mean BGE_M3_MODEL?' })
    expect(other).toMatchObject({ status: 'warning', advice: 'Unset BGE_M3_ZZZZZZZZ.' })
  })

  it('has variables that are wrong', () => {
    expect(environmentFindings({ BGE_M3_PRECISION: 'float64' })).toMatchObject([
      { status: 'problem', detail: expect.stringContaining('one of float32') },
    ])
  })

  it('may be empty', () => {
    expect(environmentFindings({})).toMatchObject([{ status: 'ok' }])
  })
})

describe('the hub', () => {
  it('is reached, or not', async () => {
    const hub = await TestHub.start()
    withoutNetworkSettings()
    vi.stubEnv('HF_ENDPOINT', hub.endpoint)
    const signal = new AbortController().signal
    expect(await hubFindings(directory, signal)).toMatchObject([{ status: 'warning' }])
    hub.add(MODEL_PIN.name, Buffer.alloc(1000), MODEL_PIN.repository, MODEL_PIN.revision)
    expect(await hubFindings(directory, signal)).toMatchObject([
      { status: 'ok', detail: expect.stringContaining('has bge-m3-q8_0.gguf') },
    ])
    await hub.stop()
    expect(await hubFindings(directory, signal)).toMatchObject([
      { status: 'warning', advice: expect.stringContaining('model pull') },
    ])
  })
})
