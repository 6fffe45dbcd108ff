import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createStandin } from '../../../lib/model/standin/create.js'
import { standinPath } from '../../helpers/standins.js'
import { noise, withoutNetworkSettings } from '../../model/hub/fixtures.js'
import { TestHub } from '../../model/hub/test-hub.js'
import { writeCheckpoint } from '../../model/writers/checkpoint.js'
import { writeHeadless } from './headless.js'
import { cli, interruptible } from './run.js'

// the pinned files are 635 MB: small ones in their place
const pins = vi.hoisted(() => ({ files: [] as object[] }))
vi.mock('../../../lib/model/pins.js', async (original) => ({
  ...(await original<object>()),
  BGE_M3_PINS: pins.files,
}))

let model: string
let directory: string
beforeAll(async () => {
  model = await standinPath({ size: 'tiny' })
  directory = await mkdtemp(path.join(tmpdir(), 'bge-m3-model-'))
})
afterAll(() => rm(directory, { recursive: true }))
afterEach(() => {
  vi.unstubAllEnvs()
})

const at = (...parts: string[]) => path.join(directory, ...parts)

describe('model path', () => {
  it('names the file that would be loaded', async () => {
    const named = await cli(['model', 'path', '--model', model])
    expect(named).toEqual({ code: 0, stdout: `${model}\n`, stderr: '' })
    const env = { BGE_M3_MODEL: model }
    const json = await cli(['model', 'path', '--json'], { env })
    expect(JSON.parse(json.stdout)).toEqual({ path: model })
  })

  it('says what to do when there is none', async () => {
    const { code, stdout, stderr } = await cli(['model', 'path', '--json', '--cache-dir', at('x')])
    expect(code).toBe(3)
    expect(stderr).toMatch(/^bge-m3: No model was found: .*bge-m3 model pull/)
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'MODEL_NOT_FOUND' })
  })
})

describe('model info', () => {
  it('prints what the header says', async () => {
    const { code, stdout } = await cli(['model', 'info', model])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^architecture +bert$/m)
    expect(stdout).toMatch(/^dimensions +64$/m)
    expect(stdout).toMatch(/^sparse and ColBERT heads +in the file$/m)
    expect(stdout).toMatch(/^stand-in +YES/m)
    const json = await cli(['model', 'info', '--json'], { env: { BGE_M3_MODEL: model } })
    expect(JSON.parse(json.stdout)).toMatchObject({ dim: 64, standin: true, headPaths: [model] })
  })

  it('says what a file lacks', async () => {
    await writeHeadless(model, at('headless.gguf'))
    const { stdout } = await cli(['model', 'info', at('headless.gguf')])
    expect(stdout).toMatch(/^sparse and ColBERT heads +none: dense only$/m)
  })

  it('says what is wrong with a file', async () => {
    await writeFile(at('bad.gguf'), 'GGUFx')
    expect(await cli(['model', 'info', at('bad.gguf')])).toMatchObject({ code: 3, stdout: '' })
  })
})

describe('model pull', () => {
  let hub: TestHub
  beforeAll(async () => {
    hub = await TestHub.start()
  })
  afterAll(() => hub.stop())

  const pull = (args: string[], options?: Parameters<typeof cli>[1]) => {
    withoutNetworkSettings()
    vi.stubEnv('HF_ENDPOINT', hub.endpoint)
    return cli(['model', 'pull', ...args], options)
  }
  const offer = () => {
    pins.files.length = 0
    pins.files.push(hub.add('heads.pt', noise(300, 2)), hub.add('m.gguf', noise(400_000)))
  }

  it('fetches the files, says so, and prints where the model is', async () => {
    offer()
    const { code, stdout, stderr } = await pull(['--dir', at('pulled')])
    expect(code).toBe(0)
    expect(stdout).toBe(`${at('pulled', 'm.gguf')}\n`)
    expect(stderr).toContain('bge-m3: downloading m.gguf (400.0 kB)')
    expect(stderr).toContain(`${at('pulled', 'm.gguf')} (400.0 kB) downloaded, checksum right`)
    expect(await readFile(at('pulled', 'm.gguf'))).toEqual(noise(400_000))

    const again = await pull(['--dir', at('pulled'), '--json'])
    expect(JSON.parse(again.stdout)).toMatchObject({
      dir: at('pulled'),
      model: at('pulled', 'm.gguf'),
      files: [{ status: 'present' }, { status: 'present', transferred: 0 }],
    })
  })

  it('puts them into the cache directory, and shows a bar on a terminal', async () => {
    offer()
    const { code, stdout, stderr } = await pull(['--cache-dir', at('cache')], {
      tty: { stderr: true },
    })
    expect(code).toBe(0)
    expect(stdout).toBe(`${at('cache', 'models', 'bge-m3', 'm.gguf')}\n`)
    expect(stderr).toMatch(/downloading m\.gguf \[=+ *\] \d+% \| \d+\.\d kB of 400\.0 kB/)
  })

  it('says what to do when it cannot', async () => {
    offer()
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    withoutNetworkSettings()
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    const { code, stderr } = await cli(['model', 'pull', '--dir', at('offline')])
    expect(code).toBe(3)
    expect(stderr).toContain('HF_HUB_OFFLINE')
  })

  it('does not replace what it did not put there, but with --force', async () => {
    offer()
    await mkdir(at('own'))
    await writeFile(at('own', 'm.gguf'), 'mine')
    const refused = await pull(['--dir', at('own')])
    expect(refused.code).toBe(3)
    expect(refused.stderr).toContain('--force')
    expect(await readFile(at('own', 'm.gguf'), 'utf8')).toBe('mine')
    expect((await pull(['--dir', at('own'), '--force'])).code).toBe(0)
    expect((await stat(at('own', 'm.gguf'))).size).toBe(400_000)
  })

  it('can be interrupted', async () => {
    offer()
    hub.always = () => true
    const { signal, interrupt } = interruptible()
    const running = pull(['--dir', at('cut')], { signal })
    setTimeout(interrupt, 200)
    expect((await running).code).toBe(130)
    hub.always = undefined
  })
})

describe('models by name', () => {
  let hub: TestHub
  let files: Record<string, Buffer>
  beforeAll(async () => {
    hub = await TestHub.start()
    await createStandin({ output: at('named.gguf'), size: 'tiny', type: 'f32', vocabSize: 600 })
    await writeCheckpoint(at('named.gguf'), at('named'), { weights: 'safetensors', heads: false })
    const names = ['config.json', 'modules.json', '1_Pooling/config.json', 'model.safetensors']
    const all = [...names, 'sentencepiece.bpe.model']
    files = Object.fromEntries(
      await Promise.all(
        all.map(async (name) => [name, await readFile(at('named', name))] as const),
      ),
    )
    hub.publish('intfloat/multilingual-e5-base', files)
  })
  afterAll(() => hub.stop())

  const run = (args: string[], options?: Parameters<typeof cli>[1]) => {
    withoutNetworkSettings()
    vi.stubEnv('HF_ENDPOINT', hub.endpoint)
    return cli([...args, '--cache-dir', at('by-name')], options)
  }

  it('are fetched by the command that names one, and then they are there', async () => {
    const args = ['embed', 'hello', '--model', 'multilingual-e5-base']
    const first = await run(args)
    expect(first.code).toBe(0)
    expect(first.stderr).toMatch(/^bge-m3: Fetching intfloat\/multilingual-e5-base \(/)
    expect(JSON.parse(first.stdout).dense).toHaveLength(64)
    hub.seen.length = 0
    const second = await run(args, { env: { BGE_M3_DOWNLOAD: 'off' } })
    expect(second).toEqual({ ...first, stderr: '' })
    expect(hub.seen).toEqual([])

    const list = await run(['model', 'list'])
    expect(list.stdout).toMatch(/^multilingual-e5-base +[\d.]+ MB +768 +512 +MIT/m)
    expect(list.stdout).toMatch(/^bge-m3 +- +1024 +8192 +MIT/m)
    expect(list.stdout).toMatch(/^all-mpnet-base-v2 +cannot run /m)
    const json = JSON.parse((await run(['model', 'list', '--json'])).stdout)
    expect(json.models.find(({ path }: { path?: string }) => path)).toMatchObject({
      name: 'multilingual-e5-base',
      repository: 'intfloat/multilingual-e5-base',
      revision: expect.stringMatching(/^[0-9a-f]{40}$/),
    })
  })

  it('are pulled, looked at, checked, verified and deleted', async () => {
    const pulled = await run(['model', 'pull', 'multilingual-e5-base:f16'])
    const path = at(
      'by-name',
      'models',
      'multilingual-e5-base+f16',
      'multilingual-e5-base-f16.gguf',
    )
    expect(pulled).toMatchObject({ code: 0, stdout: `${path}\n` })
    const again = await run(['model', 'pull', 'multilingual-e5-base:f16', '--json'])
    expect(JSON.parse(again.stdout)).toEqual({ path, status: 'present' })
    const verified = await run(['model', 'verify', '--model', 'multilingual-e5-base:f16'])
    expect(verified.stdout).toMatch(/^ok +.*recorded beside it/)
    const info = await run(['model', 'info', 'intfloat/multilingual-e5-base:f16'])
    expect(info.stdout).toMatch(/^name +multilingual-e5-base$/m)

    const check = ['model', 'check', 'multilingual-e5-base:f16']
    expect((await run(check)).stdout).toMatch(/^multilingual-e5-base:f16: up to date with intfloat/)
    hub.publish('intfloat/multilingual-e5-base', files, 'a newer commit')
    expect((await run(check)).stdout).toMatch(
      /has [0-9a-f]{12} of 2024-07-03, here is [0-9a-f]{12}/,
    )
    const json = JSON.parse((await run(['model', 'check', '--json'])).stdout)
    expect(json.models).toContainEqual(expect.objectContaining({ upToDate: false }))

    const bytes = await readFile(path)
    bytes[bytes.length - 100] = (bytes.at(-100) as number) ^ 1
    await writeFile(path, bytes)
    const mended = await run(['model', 'pull', 'multilingual-e5-base:f16'])
    expect(mended.stderr).toContain('is damaged; it will be replaced')
    expect((await run(['model', 'rm', 'multilingual-e5-base:f16'])).code).toBe(0)
    expect(await stat(path).catch(() => undefined)).toBeUndefined()
    const none = await run(['model', 'rm', 'multilingual-e5-base:f16'])
    expect(none).toMatchObject({ code: 3, stdout: '' })
    expect((await run(check)).code).toBe(3)
  })

  it('are told of where they are not here', async () => {
    const { stdout } = await run(['model', 'info', 'all-mpnet-base-v2'])
    expect(stdout).toMatch(/^architecture +mpnet, which this version cannot run$/m)
    expect(stdout).toMatch(/^file +not here: `bge-m3 model pull all-mpnet-base-v2`$/m)
    expect((await run(['model', 'info', 'hf:o/r'])).code).toBe(3)
    const path = await run(['model', 'path', '--model', 'bge-small-en-v1.5'])
    expect(path.stderr).toMatch(/Run `bge-m3 model pull bge-small-en-v1\.5`/)
  })

  it('are no paths, and what is for bge-m3 alone is refused', async () => {
    expect((await run(['model', 'pull', './m.gguf'])).code).toBe(2)
    expect((await run(['model', 'rm', '/etc'])).code).toBe(2)
    expect((await run(['model', 'pull', 'hf:o/r', '--force'])).code).toBe(2)
    hub.publish('o/plain', { 'm-q8_0.gguf': noise(10) })
    const plain = await run(['model', 'pull', 'o/plain'])
    expect(plain.stdout).toBe(`${at('by-name', 'models', 'o--plain', 'm-q8_0.gguf')}\n`)
  })
})

describe('model verify', () => {
  it('says that a file is sound, and that nothing more is known', async () => {
    await copyFile(model, at('new.gguf'))
    const { code, stdout } = await cli(['model', 'verify', at('new.gguf')])
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^unknown +\/.*: [\d.]+ MB, bert, \d+ tensors, sha256 [0-9a-f]{64}, nothing is known to compare/,
    )
  })

  it('finds damage, and goes on with the next file', async () => {
    await copyFile(model, at('cut.gguf'))
    await truncate(at('cut.gguf'), 20_000_000)
    await copyFile(model, at('whole.gguf'))
    const { code, stdout } = await cli(['model', 'verify', at('cut.gguf'), at('whole.gguf')])
    expect(code).toBe(3)
    expect(stdout).toMatch(/^bad +.*cut\.gguf.*\nunknown +/)
    const json = await cli(['model', 'verify', '--json', at('cut.gguf'), at('whole.gguf')])
    expect(JSON.parse(json.stdout)).toMatchObject({
      files: [
        { path: at('cut.gguf'), status: 'bad', error: { code: 'MODEL_LOAD' } },
        { path: at('whole.gguf'), status: 'unknown', header: { architecture: 'bert' } },
      ],
    })
  })

  it('compares with what was recorded, and takes the heads along', async () => {
    await mkdir(at('set'))
    await copyFile(model, at('set', 'm.gguf'))
    await writeFile(at('set', 'sparse_linear.pt'), 'not the heads')
    const { stdout: hash } = await promisify(execFile)('sha256sum', [at('set', 'm.gguf')])
    const sidecar = {
      format: 'bge-m3-node/pulled-file',
      size: (await stat(model)).size,
      sha256: hash.slice(0, 64),
    }
    await writeFile(at('set', 'm.gguf.json'), JSON.stringify(sidecar))
    const verify = ['model', 'verify', '--model', at('set', 'm.gguf'), '--cache-dir', at('c')]
    const right = await cli(verify)
    expect(right.stdout).toMatch(/^ok +.*recorded beside it\nunknown +.*sparse_linear\.pt/)
    expect(right.code).toBe(0)

    const bytes = await readFile(at('set', 'm.gguf'))
    bytes[bytes.length - 1000] = (bytes.at(-1000) as number) ^ 1
    await writeFile(at('set', 'm.gguf'), bytes)
    const wrong = await cli(verify, { tty: { stderr: true } })
    expect(wrong.stdout).toMatch(/^bad +.*sha256/)
    expect(wrong.stderr).toContain('checking [')
    expect(wrong.code).toBe(3)
  })

  it('says that a file is not there', async () => {
    const { code, stdout } = await cli(['model', 'verify', at('none.gguf')])
    expect(stdout).toMatch(/^bad +There is no file at/)
    expect(code).toBe(3)
  })
})

describe('model standin', () => {
  it('makes a model and says loudly that it means nothing', async () => {
    const args = ['model', 'standin', '--size', 'tiny', '--arch', 'minilm', '-o', at('mini.gguf')]
    const { code, stdout, stderr } = await cli(args, { tty: { stderr: true } })
    expect(code).toBe(0)
    expect(stdout).toBe(`${at('mini.gguf')}\n`)
    expect(stderr).toContain('NOTE: the weights are random. Embeddings of this model mean nothing.')
    expect(stderr).toContain('stand-in [')

    const first = await readFile(at('mini.gguf'))
    const json = await cli([...args, '--json', '--seed', '2'])
    expect(JSON.parse(json.stdout)).toMatchObject({ standin: true, arch: 'minilm', seed: 2 })
    expect((await readFile(at('mini.gguf'))).equals(first)).toBe(false)
  })

  it('names what it needs', async () => {
    const noOutput = await cli(['model', 'standin'])
    expect(noOutput.code).toBe(2)
    expect(noOutput.stderr).toContain("required option '-o, --output <FILE>' not specified")
    const seed = await cli(['model', 'standin', '-o', at('x'), '--seed', '-1'])
    expect(seed.code).toBe(2)
    const vocab = ['model', 'standin', '-o', at('x'), '--vocab', at('none.gguf')]
    expect(await cli(vocab)).toMatchObject({ code: 3, stdout: '' })
  })
})

describe('model convert', () => {
  it('makes a GGUF of a checkpoint, with its heads', async () => {
    await createStandin({ output: at('f32.gguf'), size: 'tiny', type: 'f32', vocabSize: 600 })
    await writeCheckpoint(at('f32.gguf'), at('checkpoint'))
    const args = ['model', 'convert', at('checkpoint'), '-o', at('converted.gguf')]
    const { code, stdout, stderr } = await cli(args, { tty: { stderr: true } })
    expect(stderr).toMatch(/tensors in q8_0, heads: sparse and colbert; from pytorch_model\.bin/)
    expect(stderr).toContain('convert [')
    expect(stdout).toBe(`${at('converted.gguf')}\n`)
    expect(code).toBe(0)

    const bare = await cli([...args, '--no-heads', '--type', 'f16', '--json', '--name', 'mine'])
    expect(JSON.parse(bare.stdout)).toMatchObject({
      type: 'f16',
      heads: { sparse: false, colbert: false },
    })
  })

  it('refuses what is no checkpoint', async () => {
    const { code, stderr } = await cli(['model', 'convert', directory, '-o', at('no.gguf')])
    expect(stderr).toMatch(/^bge-m3: .*config\.json/)
    expect(code).toBe(3)
  })
})
