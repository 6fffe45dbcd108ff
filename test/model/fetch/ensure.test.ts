import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  DownloadError,
  IntegrityError,
  ModelLoadError,
  ModelNotFoundError,
} from '../../../lib/common/errors.js'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { Reranker } from '../../../lib/embedder/reranker.js'
import { convertCheckpoint } from '../../../lib/model/convert/convert.js'
import { checkIntegrity } from '../../../lib/model/integrity.js'
import { namedModel } from '../../../lib/model/names.js'
import { BGE_M3_PINS } from '../../../lib/model/pins.js'
import { standinPath } from '../../helpers/standins.js'
import { errorOf, expectBytes, namesIn, noise } from '../hub/fixtures.js'
import { cutAfter, sha256, status } from '../hub/test-hub.js'
import { useCheckpoint, useEnsure } from './fixtures.js'

const { fixture, notices, ensure } = useEnsure()
const checkpoint = useCheckpoint()

const GGUFS = 'CompendiumLabs/bge-small-en-v1.5-gguf'
const content = noise(300_000)

describe('a model with a GGUF on the hub', () => {
  it('is fetched once: Q8_0 of the repository, with a record and one line about it', async () => {
    const { hub, dir } = fixture
    const commit = hub.publish(GGUFS, {
      'README.md': Buffer.from('#'),
      'bge-small-en-v1.5-f16.gguf': noise(900_000, 2),
      'bge-small-en-v1.5-q8_0.gguf': content,
    })
    const seen = vi.fn()
    const path = await ensure('bge-small-en-v1.5', { onProgress: seen })
    expect(path).toBe(join(dir, 'models', 'bge-small-en-v1.5', 'bge-small-en-v1.5-q8_0.gguf'))
    await expectBytes(path, content)
    expect(notices).toEqual([
      `Fetching bge-small-en-v1.5 (300.0 kB) from 127.0.0.1:${hub.port}/${GGUFS} to ${dirname(path)}.`,
    ])
    expect(seen.mock.calls.at(-1)?.[0]).toMatchObject({ phase: 'done', total: 300_000 })
    const record = JSON.parse(await readFile(`${path}.json`, 'utf8'))
    expect(record).toMatchObject({ repository: GGUFS, revision: commit, sha256: sha256(content) })
    expect(await checkIntegrity(path, { cacheDir: dir })).toMatchObject({ source: 'sidecar' })

    hub.seen.length = 0
    expect(await ensure('BAAI/bge-small-en-v1.5')).toBe(path)
    expect(await ensure('bge-small-en-v1.5', { download: false })).toBe(path)
    expect(hub.seen).toEqual([])
    expect(notices).toEqual([])
    expect(await namesIn(join(dir, 'models'))).toEqual(['bge-small-en-v1.5'])
  })

  it('is fetched in another format, revision or file when that is named', async () => {
    const { hub } = fixture
    const files = {
      'x-q8_0.gguf': noise(10),
      'deep/x.Q4_K_M.gguf': noise(20),
      'x-f32.gguf': noise(30),
    }
    const commit = hub.publish('o/r', files)
    const sizes = async (...names: string[]) =>
      Promise.all(names.map(async (name) => (await stat(await ensure(name))).size))
    expect(
      await sizes(
        'hf:o/r',
        'hf:o/r:q4_k_m',
        'hf:o/r/x-f32.gguf',
        `hf:o/r@${commit}/deep/x.Q4_K_M.gguf`,
      ),
    ).toEqual([10, 20, 30, 20])
    await expect(ensure('hf:o/r/none.gguf')).rejects.toThrow(
      /has no file none\.gguf at revision main/,
    )
    await expect(ensure('hf:o/r:q5_1')).rejects.toThrow(/no GGUF for hf:o\/r:q5_1/)
    await expect(ensure('hf:o/r@v9')).rejects.toThrow(DownloadError)
  })
})

describe.each([
  ['an embedder', Embedder, {}],
  ['a re-ranker', Reranker, { arch: 'bge-reranker' }],
] as const)('%s that is loaded by a name', (_name, Model, { arch }: { arch?: 'bge-reranker' }) => {
  beforeEach(() => {
    vi.stubEnv('HF_ENDPOINT', fixture.hub.endpoint)
    vi.stubEnv('BGE_M3_OFFLINE', '')
  })
  afterEach(() => void vi.unstubAllEnvs())

  it('tells what it fetches and how far that is, and can be given up', async () => {
    const { hub, dir } = fixture
    const bytes = await readFile(await standinPath({ size: 'tiny', ...(arch && { arch }) }))
    hub.publish('o/r', { 'x-q8_0.gguf': bytes })
    const load = { model: 'hf:o/r', cacheDir: dir }
    const reason = new Error('enough')
    const controller = new AbortController()
    const given = Model.load({
      ...load,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    })
    await expect(given).rejects.toBe(reason)
    const lines: string[] = []
    const phases = new Set<string>()
    const loaded = await Model.load({
      ...load,
      logger: { info: (line) => lines.push(line) },
      onProgress: ({ phase }) => phases.add(phase),
    })
    await loaded.dispose()
    expect(lines.join()).toContain('Fetching hf:o/r (')
    expect([...phases]).toEqual(expect.arrayContaining(['download', 'done']))
  })
})

describe('a model without one', () => {
  it('is converted here from the checkpoint, and the checkpoint is not kept', async () => {
    const { hub, dir } = fixture
    const commit = hub.publish('intfloat/multilingual-e5-base', {
      ...checkpoint.files,
      'onnx/model.onnx': noise(1000),
      'pytorch_model.bin': noise(1000),
    })
    const phases = new Set<string>()
    const onProgress = ({ phase }: { phase: string }) => phases.add(phase)
    const path = await ensure('multilingual-e5-base', { onProgress })
    expect(notices).toHaveLength(1)
    expect(notices[0]).toMatch(
      /^Fetching intfloat\/multilingual-e5-base \([\d.]+ MB\) .* converted to q8_0/,
    )
    expect([...phases]).toEqual(expect.arrayContaining(['download', 'convert', 'done']))
    expect(hub.seen.map(({ url }) => url).join()).not.toMatch(/onnx|pytorch_model/)

    const own = join(dir, 'own.gguf')
    const name = 'multilingual-e5-base'
    const prompts = namedModel(name)?.prompts ?? { texts: {} }
    // which its checkpoint says nothing of
    await convertCheckpoint(checkpoint.directory, { output: own, name, prompts })
    await expectBytes(path, await readFile(own))
    const record = JSON.parse(await readFile(`${path}.json`, 'utf8'))
    expect(record).toMatchObject({ revision: commit, sha256: sha256(await readFile(path)) })
    expect(await namesIn(dirname(path))).toEqual([basename(path), `${basename(path)}.json`])

    const f16 = await ensure('multilingual-e5-base:f16')
    expect((await stat(f16)).size).toBeGreaterThan((await stat(path)).size)
    const embedder = await Embedder.load({ model: 'multilingual-e5-base', cacheDir: dir })
    expect(embedder.info).toMatchObject({ model: path, name: 'multilingual-e5-base' })
    expect((await embedder.embed('hello')).dense).toHaveLength(64)
    await embedder.dispose()
  })

  it('is refused before its weights are fetched when it cannot be converted', async () => {
    const { hub } = fixture
    const config = JSON.parse(String(checkpoint.files['config.json']))
    config.model_type = 'deberta'
    hub.publish('o/deberta', {
      ...checkpoint.files,
      'config.json': Buffer.from(JSON.stringify(config)),
    })
    await expect(ensure('hf:o/deberta')).rejects.toThrow(/model_type.*deberta/)
    expect(hub.seen.map(({ url }) => url).join()).not.toContain('safetensors')
    hub.publish('o/data', { 'data.csv': Buffer.from('1') })
    await expect(ensure('hf:o/data')).rejects.toThrow(ModelLoadError)
  })

  it('is refused at once where this version cannot run it', async () => {
    await expect(ensure('all-mpnet-base-v2')).rejects.toThrow(/architecture mpnet/)
    expect(fixture.hub.seen).toEqual([])
  })
})

describe('a model of the other kind', () => {
  it.each([
    'bge-reranker-v2-m3',
    'BAAI/bge-reranker-base',
    'hf:cross-encoder/ms-marco-MiniLM-L6-v2',
  ])('is refused before it is fetched: the re-ranker %s by an embedder', async (model) => {
    const { hub, dir } = fixture
    vi.stubEnv('HF_ENDPOINT', String(hub.endpoint))
    vi.stubEnv('BGE_M3_OFFLINE', '')
    const error = await errorOf(Embedder.load({ model, cacheDir: dir }))
    expect(error).toBeInstanceOf(ModelLoadError)
    expect(error.message).toContain('Reranker.load takes it')
    expect(hub.seen).toEqual([])
  })

  it('is refused before it is fetched: an embedder by a re-ranker', async () => {
    const { hub, dir } = fixture
    vi.stubEnv('HF_ENDPOINT', String(hub.endpoint))
    vi.stubEnv('BGE_M3_OFFLINE', '')
    for (const model of ['bge-m3', 'all-MiniLM-L6-v2', 'BAAI/bge-small-en-v1.5:f16']) {
      const error = await errorOf(Reranker.load({ model, cacheDir: dir }))
      expect(error).toBeInstanceOf(ModelLoadError)
      expect(error.message).toContain('Embedder.load takes it')
    }
    expect(hub.seen).toEqual([])
  })

  it('that no table knows is refused by its configuration, before its weights are fetched', async () => {
    const { hub } = fixture
    hub.publish('o/embeds', checkpoint.files)
    const error = await errorOf(ensure('hf:o/embeds', { purpose: 'rerank' }))
    expect(error.message).toContain('hf:o/embeds is no re-ranker')
    const urls = hub.seen.map(({ url }) => url).join()
    expect(urls).toContain('config.json')
    expect(urls).not.toContain('safetensors')
    expect(await ensure('hf:o/embeds', { purpose: 'embed' })).toMatch(/\.gguf$/)
  })
})

describe('nothing is fetched', () => {
  it.each(['./model.gguf', 'model.gguf', 'models/mine', 'bge-m4', 'o/r', '/none', 'C:/m'])(
    'for a path that leads nowhere: %s',
    async (path) => {
      fixture.hub.publish('o/r', { 'm.gguf': noise(10) })
      await expect(ensure(path)).rejects.toThrow(ModelNotFoundError)
      expect(fixture.hub.seen).toEqual([])
    },
  )

  it.each([
    ['the option', {}, { download: false }, /`download` is off/],
    ['HF_HUB_OFFLINE', { HF_HUB_OFFLINE: '1' }, {}, /HF_HUB_OFFLINE is set/],
    ['BGE_M3_OFFLINE', { BGE_M3_OFFLINE: 'on' }, {}, /BGE_M3_OFFLINE is set/],
  ])('where %s forbids it, and the error says what to run', async (_, env, options, why) => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
    for (const name of ['bge-m3', 'multilingual-e5-base']) {
      const error = await errorOf(ensure(name, options))
      expect(error).toBeInstanceOf(ModelNotFoundError)
      expect(error.message).toMatch(why)
      expect(error.message).toContain(`\`bge-m3 model pull${name === 'bge-m3' ? '' : ` ${name}`}\``)
    }
    expect(fixture.hub.seen).toEqual([])
    expect(await namesIn(fixture.dir)).toEqual([])
  })

  it('by an embedder whose options forbid it', async () => {
    const load = Embedder.load({
      model: 'bge-small-en-v1.5',
      cacheDir: fixture.dir,
      download: false,
    })
    await expect(load).rejects.toThrow(ModelNotFoundError)
  })
})

describe('when it does not work', () => {
  const name = 'bge-small-en-v1.5'
  const offer = () => fixture.hub.publish(GGUFS, { 'm-q8_0.gguf': content })

  it('goes on after a connection that is cut, again and again', async () => {
    offer()
    const { hub } = fixture
    hub.plan = [() => false, cutAfter(100_000), cutAfter(50_000), cutAfter(1)]
    await expectBytes(await ensure(name), content)
    expect(hub.served).toBe(
      content.length + Number(hub.files.get(`/api/models/${GGUFS}/revision/main`)?.length),
    )
  })

  it('keeps nothing that has another checksum than the hub says', async () => {
    const commit = offer()
    fixture.hub.files.set(`/${GGUFS}/resolve/${commit}/m-q8_0.gguf`, noise(content.length, 9))
    const error = await errorOf(ensure(name))
    expect(error).toBeInstanceOf(IntegrityError)
    const left = await namesIn(join(fixture.dir, 'models', name))
    expect(left.filter((file) => file.endsWith('.gguf'))).toEqual([])
  })

  it('keeps no small file that is not what git says, and no weights that the table does not know', async () => {
    const { hub } = fixture
    const commit = hub.publish('o/r', checkpoint.files)
    hub.files.set(`/o/r/resolve/${commit}/config.json`, Buffer.from('{}'))
    await expect(ensure('hf:o/r')).rejects.toThrow(IntegrityError)
    const minilm = hub.publish('sentence-transformers/all-MiniLM-L6-v2', checkpoint.files)
    await expect(ensure('all-MiniLM-L6-v2')).rejects.toThrow(`@${minilm}`)
  })

  it('names HF_TOKEN for a gated model, and sends the token that is there', async () => {
    offer()
    const { hub } = fixture
    hub.always = (request, response) => {
      if (request.headers.authorization === 'Bearer secret') return false
      response.writeHead(401).end()
      return true
    }
    const error = await errorOf(ensure(name))
    expect(error).toBeInstanceOf(DownloadError)
    expect(error.message).toMatch(/\(401\).*set HF_TOKEN/)
    await expectBytes(await ensure(name, { token: 'secret' }), content)
    const wrong = await errorOf(ensure('hf:o/r', { token: 'wrong' }))
    expect(wrong.message).toContain('The token in HF_TOKEN is not valid')
    expect(wrong.message).not.toContain('wrong')
  })

  it.each([403, 404, 500])('says so when the hub answers %d', async (code) => {
    fixture.hub.always = status(code)
    await expect(ensure(name)).rejects.toThrow(DownloadError)
  })

  it.each(['<html>', '{}', '[]', '{"sha":"../..","siblings":[]}', '{"sha":"a","siblings":{}}'])(
    'refuses an answer that is none: %s',
    async (text) => {
      fixture.hub.always = status(200, {}, text)
      await expect(ensure(name)).rejects.toThrow(/does not answer .* as a hub does/)
    },
  )

  it('writes nothing outside of its folder, whatever the hub calls its files', async () => {
    const siblings = [
      '../x-q8_0.gguf',
      '/x-q8_0.gguf',
      '..\\x-q8_0.gguf',
      'a/../../x-q8_0.gguf',
    ].map((rfilename) => ({ rfilename, size: 1, lfs: { sha256: sha256(noise(1)), size: 1 } }))
    fixture.hub.always = status(200, {}, JSON.stringify({ sha: 'a'.repeat(40), siblings }))
    await expect(ensure(name)).rejects.toThrow(ModelLoadError)
    expect(await namesIn(fixture.dir)).toEqual(['models'])
  })

  it('ends with the reason of a signal', async () => {
    fixture.hub.always = () => true
    const controller = new AbortController()
    const reason = new Error('enough')
    const promise = ensure(name, { signal: controller.signal })
    setTimeout(() => controller.abort(reason), 50)
    await expect(promise).rejects.toBe(reason)
  })
})

describe("Hugging Face's own cache", () => {
  const COMMIT = 'c'.repeat(40)
  /** As its tools leave a repository: large files by their checksum. */
  const keep = async (repository: string, files: Record<string, Buffer>, revision = COMMIT) => {
    const root = join(fixture.dir, 'hf', `models--${repository.replace('/', '--')}`)
    vi.stubEnv('HF_HUB_CACHE', join(fixture.dir, 'hf'))
    await mkdir(join(root, 'blobs'), { recursive: true })
    await mkdir(join(root, 'refs'), { recursive: true })
    await writeFile(join(root, 'refs', 'main'), revision)
    for (const [path, bytes] of Object.entries(files)) {
      const blob = join(root, 'blobs', sha256(bytes))
      const link = join(root, 'snapshots', revision, path)
      await mkdir(dirname(link), { recursive: true })
      await writeFile(blob, bytes)
      await symlink(blob, link)
    }
    return join(root, 'snapshots', revision)
  }

  it('gives a GGUF where it lies, whose checksum is that of its blob', async () => {
    const snapshot = await keep('o/r', { 'x-q8_0.gguf': content, 'x-f16.gguf': noise(9) })
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    const path = await ensure('hf:o/r')
    expect(path).toBe(join(snapshot, 'x-q8_0.gguf'))
    expect(await ensure('hf:o/r:f16')).toBe(join(snapshot, 'x-f16.gguf'))
    expect(await ensure(`hf:o/r@${COMMIT}`)).toBe(path)
    await expect(ensure('hf:o/r@v2')).rejects.toThrow(ModelNotFoundError)
    expect(await checkIntegrity(path, { cacheDir: fixture.dir })).toMatchObject({ source: 'cache' })
    await writeFile(path, noise(content.length, 3))
    await expect(checkIntegrity(path, { cacheDir: fixture.dir })).rejects.toThrow(IntegrityError)
  })

  it('gives a checkpoint, which is converted without the network', async () => {
    await keep('intfloat/multilingual-e5-base', checkpoint.files)
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    const path = await ensure('multilingual-e5-base')
    expect(path).toBe(
      join(fixture.dir, 'models', 'multilingual-e5-base', 'multilingual-e5-base-q8_0.gguf'),
    )
    expect(JSON.parse(await readFile(`${path}.json`, 'utf8')).revision).toBe(COMMIT)
  })

  it('saves fetching a checkpoint that is what the hub has', async () => {
    const { hub } = fixture
    const commit = hub.publish('o/r', checkpoint.files)
    await keep('o/r', checkpoint.files, commit)
    await ensure('hf:o/r')
    expect(hub.seen.map(({ url }) => url)).toEqual(['/api/models/o/r/revision/main?blobs=true'])
  })

  it('does not give a part of a checkpoint', async () => {
    const { 'model.safetensors': _, ...part } = checkpoint.files
    await keep('intfloat/multilingual-e5-base', part)
    await expect(ensure('multilingual-e5-base', { download: false })).rejects.toThrow(
      ModelNotFoundError,
    )
  })

  it('lends its bytes to bge-m3, whose heads lie in another repository, and wrong ones are not taken', async () => {
    const blob = (repository: string, sum: string) =>
      join(fixture.dir, 'hf', `models--${repository.replace('/', '--')}`, 'blobs', sum)
    vi.stubEnv('HF_HUB_CACHE', join(fixture.dir, 'hf'))
    const heads = BGE_M3_PINS.slice(0, 2)
    for (const { repository, sha256: sum, size } of heads) {
      await mkdir(dirname(blob(repository, sum)), { recursive: true })
      await writeFile(blob(repository, sum), noise(size))
    }
    fixture.hub.always = status(404)
    await expect(ensure('bge-m3')).rejects.toThrow(DownloadError)
    expect(fixture.hub.seen[0]?.url).toContain('sparse_linear.pt')
    const [head] = heads
    if (head) await expectBytes(blob(head.repository, head.sha256), noise(head.size))
  })
})
