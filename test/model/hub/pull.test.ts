import { mkdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { DownloadError, IntegrityError, InvalidInputError } from '../../../lib/common/errors.js'
import type { DownloadProgress } from '../../../lib/common/types.js'
import { pullModel } from '../../../lib/model/hub/pull.js'
import { errorOf, expectBytes, HASTE, namesIn, noise, useHub } from './fixtures.js'
import { cutAfter, sha256, status, TestHub, trickle } from './test-hub.js'

const fixture = useHub()
const content = noise(100_000)

function pull(files: Parameters<typeof pullModel>[0], more: Parameters<typeof pullModel>[0] = {}) {
  return pullModel({
    dir: fixture.dir,
    endpoint: fixture.hub.endpoint,
    patience: HASTE,
    ...files,
    ...more,
  })
}

describe('pullModel', () => {
  it('places the files and records where they came from', async () => {
    const { hub, dir } = fixture
    const heads = hub.add('heads.pt', noise(300, 2), 'other/heads', 'main')
    const model = hub.add('model.gguf', content)
    const result = await pull({ files: [heads, model] })

    expect(result).toEqual({
      dir,
      model: join(dir, 'model.gguf'),
      files: [
        {
          name: 'heads.pt',
          path: join(dir, 'heads.pt'),
          size: 300,
          sha256: heads.sha256,
          status: 'downloaded',
          transferred: 300,
        },
        {
          name: 'model.gguf',
          path: join(dir, 'model.gguf'),
          size: 100_000,
          sha256: sha256(content),
          status: 'downloaded',
          transferred: 100_000,
        },
      ],
    })
    await expectBytes(join(dir, 'model.gguf'), content)
    expect(await namesIn(dir)).toEqual([
      'heads.pt',
      'heads.pt.json',
      'model.gguf',
      'model.gguf.json',
    ])
    const record = JSON.parse(await readFile(join(dir, 'model.gguf.json'), 'utf8'))
    expect(record).toMatchObject({
      url: `${hub.endpoint}/test/model/resolve/r1/model.gguf`,
      repository: 'test/model',
      revision: 'r1',
      size: 100_000,
      sha256: sha256(content),
    })
    expect(Math.abs(Date.parse(record.date) - Date.now())).toBeLessThan(60_000)
    expect(hub.seen.map((request) => request.url)).toEqual([
      '/other/heads/resolve/main/heads.pt',
      '/test/model/resolve/r1/model.gguf',
    ])
  })

  it('does not download what is there', async () => {
    const files = [fixture.hub.add('m.gguf', content)]
    await pull({ files })
    const before = await stat(join(fixture.dir, 'm.gguf'))
    const again = await pull({ files })
    expect(again.files[0]).toMatchObject({ status: 'present', transferred: 0 })
    expect(fixture.hub.seen).toHaveLength(1)
    expect((await stat(join(fixture.dir, 'm.gguf'))).ino).toBe(before.ino)
  })

  it('takes a file that was put there by hand, and records it', async () => {
    const files = [fixture.hub.add('m.gguf', content)]
    await writeFile(join(fixture.dir, 'm.gguf'), content)
    expect((await pull({ files })).files[0]?.status).toBe('present')
    expect(await namesIn(fixture.dir)).toEqual(['m.gguf', 'm.gguf.json'])
    expect(fixture.hub.seen).toHaveLength(0)
  })

  it('mends a file that it had pulled and that was damaged since, even with the old time stamps', async () => {
    const files = [fixture.hub.add('m.gguf', content)]
    await pull({ files })
    const path = join(fixture.dir, 'm.gguf')
    const { atime, mtime } = await stat(path)
    const damaged = Buffer.from(content)
    damaged[50_000] = (damaged[50_000] ?? 0) ^ 1
    await writeFile(path, damaged)
    await utimes(path, atime, mtime)
    const warn = vi.fn()
    expect((await pull({ files, logger: { warn } })).files[0]?.status).toBe('downloaded')
    await expectBytes(path, content)
    expect(warn.mock.calls.flat().join()).toContain('damaged')
  })

  it('replaces another revision that it had pulled, and the record with it', async () => {
    await pull({ files: [fixture.hub.add('m.gguf', content)] })
    const next = noise(5_000, 7)
    await pull({ files: [fixture.hub.add('m.gguf', next, 'test/model', 'r2')] })
    await expectBytes(join(fixture.dir, 'm.gguf'), next)
    const record = JSON.parse(await readFile(join(fixture.dir, 'm.gguf.json'), 'utf8'))
    expect(record).toMatchObject({ revision: 'r2', sha256: sha256(next) })
  })

  it('does not replace a file of the user’s own, unless forced', async () => {
    const files = [fixture.hub.add('m.gguf', content)]
    const path = join(fixture.dir, 'm.gguf')
    await writeFile(path, 'mine')
    const error = await errorOf(pull({ files }))
    expect(error).toBeInstanceOf(IntegrityError)
    expect(error.message).toContain('--force')
    expect(await readFile(path, 'utf8')).toBe('mine')
    expect(fixture.hub.seen).toHaveLength(0)
    await pull({ files, force: true })
    await expectBytes(path, content)
  })

  it('goes on at the byte where it stopped', async () => {
    const { hub, dir } = fixture
    const files = [hub.add('m.gguf', content)]
    hub.plan = [cutAfter(40_000), status(404)]
    await errorOf(pull({ files }))
    expect(await namesIn(dir)).toEqual(['m.gguf.part', 'm.gguf.part.json'])
    expect((await stat(join(dir, 'm.gguf.part'))).size).toBe(40_000)

    const result = await pull({ files })
    expect(hub.seen.at(-1)?.headers).toMatchObject({
      range: 'bytes=40000-',
      'if-range': `"${sha256(content).slice(0, 16)}"`,
    })
    expect(result.files[0]?.transferred).toBe(60_000)
    await expectBytes(join(dir, 'm.gguf'), content)
    expect(await namesIn(dir)).toEqual(['m.gguf', 'm.gguf.json'])
  })

  it('asks for nothing when the part was complete', async () => {
    const { hub, dir } = fixture
    const files = [hub.add('m.gguf', content)]
    await writeFile(join(dir, 'm.gguf.part'), content)
    await writeFile(join(dir, 'm.gguf.part.json'), JSON.stringify({ sha256: sha256(content) }))
    expect((await pull({ files })).files[0]).toMatchObject({ status: 'downloaded', transferred: 0 })
    expect(hub.seen).toHaveLength(0)
  })

  it('starts anew when the part is of other content, longer than the file, or has no record', async () => {
    const { hub, dir } = fixture
    const files = [hub.add('m.gguf', content)]
    const part = join(dir, 'm.gguf.part')
    const cases = [
      { bytes: noise(20_000, 9), record: JSON.stringify({ sha256: 'f'.repeat(64) }) },
      { bytes: noise(120_000, 9), record: JSON.stringify({ sha256: sha256(content) }) },
      { bytes: noise(20_000, 9), record: undefined },
      { bytes: noise(20_000, 9), record: '{"sha256": 7}' },
      { bytes: noise(20_000, 9), record: '{"sha' },
    ]
    for (const { bytes, record } of cases) {
      await writeFile(part, bytes)
      if (record !== undefined) await writeFile(`${part}.json`, record)
      expect((await pull({ files })).files[0]?.transferred).toBe(content.length)
      await expectBytes(join(dir, 'm.gguf'), content)
      expect(await namesIn(dir)).toEqual(['m.gguf', 'm.gguf.json'])
      await writeFile(join(dir, 'm.gguf'), 'x')
    }
  })

  it('starts anew once when a part has gone bad on disk', async () => {
    const { hub, dir } = fixture
    const files = [hub.add('m.gguf', content)]
    const zeros = Buffer.concat([content.subarray(0, 30_000), Buffer.alloc(10_000)])
    await writeFile(join(dir, 'm.gguf.part'), zeros)
    await writeFile(join(dir, 'm.gguf.part.json'), JSON.stringify({ sha256: sha256(content) }))
    const warn = vi.fn()
    expect((await pull({ files, logger: { warn } })).files[0]?.transferred).toBe(160_000)
    await expectBytes(join(dir, 'm.gguf'), content)
    expect(warn).toHaveBeenCalledOnce()
  })

  it('reports progress that grows, with a rate and a time to go, and ends with done', async () => {
    const { hub } = fixture
    const files = [hub.add('m.gguf', content)]
    hub.always = trickle(5_000, 15)
    const events: DownloadProgress[] = []
    await pull({ files, onProgress: (event) => events.push(event) })
    const moving = events.filter((event) => event.phase === 'download')
    expect(moving.length).toBeGreaterThan(2)
    for (const [i, event] of moving.entries()) {
      expect(event).toMatchObject({ file: 'm.gguf', index: 0, count: 1, total: 100_000 })
      expect(event.received).toBeGreaterThanOrEqual(moving[i - 1]?.received ?? 0)
    }
    const midway = moving.at(-2)
    expect(midway?.rate).toBeGreaterThan(0)
    expect(midway?.eta).toBeCloseTo(
      ((100_000 - (midway?.received ?? 0)) / (midway?.rate ?? 1)) * 1000,
      3,
    )
    expect(events.at(-1)).toMatchObject({ phase: 'done', received: 100_000 })
  })

  it('survives a progress callback that throws', async () => {
    const files = [fixture.hub.add('m.gguf', content)]
    const warn = vi.fn()
    const onProgress = vi.fn(() => {
      throw new Error('private')
    })
    await pull({ files, onProgress, logger: { warn } })
    expect(onProgress).toHaveBeenCalledOnce()
    expect(warn.mock.calls.flat().join()).not.toContain('private')
  })

  it('ends at once with the signal’s reason, and keeps what arrived', async () => {
    const { hub, dir } = fixture
    const files = [hub.add('m.gguf', content)]
    const reason = new Error('enough')
    await expect(pull({ files, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(hub.seen).toHaveLength(0)

    const controller = new AbortController()
    hub.plan = [trickle(5_000, 10, (sent) => sent >= 50_000 && controller.abort(reason))]
    await expect(pull({ files, signal: controller.signal })).rejects.toBe(reason)
    expect(await namesIn(dir)).toEqual(['m.gguf.part', 'm.gguf.part.json'])
    expect((await pull({ files })).files[0]?.transferred).toBeLessThan(70_000)
    await expectBytes(join(dir, 'm.gguf'), content)
  })

  it.each([
    [{ name: '../evil' }],
    [{ name: 'a/b' }],
    [{ name: '.hidden' }],
    [{ name: '' }],
    [{ sha256: 'ABC' }],
    [{ sha256: 'f'.repeat(64) }],
    [{ size: 3 }],
    [{ size: -3, sha256: 'f'.repeat(64) }],
  ])('refuses the pin %j', async (wrong) => {
    const files = [{ name: 'x', repository: 'a/b', revision: 'r', ...wrong }]
    await expect(pull({ files })).rejects.toThrow(InvalidInputError)
  })

  it('says so when the directory is a file', async () => {
    const dir = join(fixture.dir, 'file')
    await writeFile(dir, '')
    const files = [fixture.hub.add('m.gguf', content)]
    await expect(pull({ files, dir })).rejects.toThrow(DownloadError)
  })

  it('says so when a directory has the name of the file', async () => {
    await mkdir(join(fixture.dir, 'm.gguf'))
    const files = [fixture.hub.add('m.gguf', content)]
    await expect(pull({ files })).rejects.toThrow(IntegrityError)
  })
})

describe('offline', () => {
  it('is content with what is there, and never connects', async () => {
    const { hub, dir } = fixture
    const files = [hub.add('m.gguf', content)]
    vi.stubEnv('HF_HUB_OFFLINE', 'yes')
    const error = await errorOf(pull({ files }))
    expect(error).toBeInstanceOf(DownloadError)
    expect(error.message).toContain('HF_HUB_OFFLINE')
    expect(error.message).toContain(join(dir, 'm.gguf'))
    await writeFile(join(dir, 'm.gguf'), content)
    expect((await pull({ files })).files[0]?.status).toBe('present')
    expect(hub.seen).toHaveLength(0)
    expect((await pull({ files, offline: false })).files[0]?.status).toBe('present')
  })
})

describe('the hub', () => {
  it('is HF_ENDPOINT, with a path of its own if it has one', async () => {
    const { hub, dir } = fixture
    const pin = hub.add('m.gguf', content, 'mirror/test/model')
    vi.stubEnv('HF_ENDPOINT', `${hub.endpoint}/mirror/`)
    const files = [{ ...pin, repository: 'test/model' }]
    await pullModel({ dir, files, patience: HASTE })
    expect(hub.seen[0]?.url).toBe('/mirror/test/model/resolve/r1/m.gguf')
  })

  it('gets HF_TOKEN, the server that it redirects to does not, and no record holds it', async () => {
    const { hub, dir } = fixture
    const pin = hub.add('m.gguf', content)
    const store = await TestHub.start()
    store.files.set('/blob', content)
    hub.always = status(302, { location: `${store.endpoint}/blob?signature=secret` })
    vi.stubEnv('HF_TOKEN', 'hf_canary')
    await pull({ files: [pin] })
    expect(hub.seen[0]?.headers.authorization).toBe('Bearer hf_canary')
    expect(store.seen).toHaveLength(1)
    expect(store.seen[0]?.headers.authorization).toBeUndefined()
    const record = await readFile(join(dir, 'm.gguf.json'), 'utf8')
    expect(record).not.toMatch(/canary|secret/)
    await store.stop()
  })

  it('keeps the token over a redirect of its own', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.files.set('/moved', content)
    hub.plan = [status(307, { location: '/moved' })]
    await pull({ files: [pin], token: 't' })
    expect(hub.seen.map((request) => request.headers.authorization)).toEqual([
      'Bearer t',
      'Bearer t',
    ])
  })

  it('may tell in a redirect that the content is not the pinned one: nothing is downloaded', async () => {
    const { hub, dir } = fixture
    const pin = hub.add('m.gguf', content)
    hub.always = status(302, { location: '/moved', 'x-linked-etag': `"${'a'.repeat(64)}"` })
    hub.files.set('/moved', content)
    hub.plan = [
      status(302, { location: '/moved', 'x-linked-etag': `"${'a'.repeat(64)}"` }),
      () => false,
    ]
    const error = await errorOf(pull({ files: [pin] }))
    expect(error).toBeInstanceOf(IntegrityError)
    expect(error.message).toContain('a'.repeat(64))
    expect(await namesIn(dir)).toEqual([])
  })

  it('is asked for length and checksum of another revision', async () => {
    const { hub, dir } = fixture
    hub.add('m.gguf', content, 'ggml-org/bge-m3-Q8_0-GGUF', 'feature/new')
    const linked = { 'x-linked-etag': `"${sha256(content)}"`, 'x-linked-size': content.length }
    hub.files.set('/blob', content)
    hub.plan = [
      // a renamed repository, as the hub answers for it, then the redirect to the store
      status(307, { location: '/renamed' }),
      status(302, { location: 'http://127.0.0.1:9/store', ...linked }),
      () => false,
    ]
    const files = [
      {
        name: 'm.gguf',
        repository: 'ggml-org/bge-m3-Q8_0-GGUF',
        revision: 'r1',
        size: 1,
        sha256: 'f'.repeat(64),
      },
    ]
    const options = { files, revision: 'feature/new' }
    const result = await pull(options)
    expect(hub.seen.map((request) => request.method)).toEqual(['HEAD', 'HEAD', 'GET'])
    expect(hub.seen[2]?.url).toBe('/ggml-org/bge-m3-Q8_0-GGUF/resolve/feature%2Fnew/m.gguf')
    expect(result.files[0]?.sha256).toBe(sha256(content))
    expect((await pull({ ...options, offline: true })).files[0]?.status).toBe('present')
    expect(dir).toBe(result.dir)
    await expect(pull({ ...options, revision: 'r9', offline: true })).rejects.toThrow(DownloadError)
  })

  it('must know the checksum of a file that has none pinned', async () => {
    const { hub } = fixture
    hub.add('m.gguf', content)
    const files = [{ name: 'm.gguf', repository: 'test/model', revision: 'r1' }]
    await expect(pull({ files })).rejects.toThrow(/does not say what/)
    hub.plan = [status(404)]
    await expect(pull({ files })).rejects.toThrow(/There is no/)
  })
})
