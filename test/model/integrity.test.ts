import { createHash } from 'node:crypto'
import {
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { IntegrityError, ModelLoadError, ModelNotFoundError } from '../../lib/common/errors.js'
import { checkIntegrity, expectedOf, hashFile, verifyModel } from '../../lib/model/integrity.js'
import { BGE_M3_PINS, HEAD_PINS, MODEL_PIN, pinOf } from '../../lib/model/pins.js'
import { readSidecar, sidecarPath, writeSidecar } from '../../lib/model/sidecar.js'

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const content = Buffer.alloc(3_000_000, 'not all the same byte, if you please. ')

let dir = ''
let path = ''
let cacheDir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bge-m3-integrity-'))
  cacheDir = join(dir, 'cache')
  path = join(dir, 'model.gguf')
  await writeFile(path, content)
  await makeOld()
})
afterEach(async () => {
  vi.useRealTimers()
  await rm(dir, { recursive: true, force: true })
})

/** ctime cannot be set back, so the clock is moved on: what changed just now is not trusted yet. */
async function makeOld(): Promise<void> {
  await utimes(path, new Date(0), new Date(0))
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 })
}

async function record(bytes: Buffer = content): Promise<void> {
  await writeSidecar(path, {
    url: 'https://hub.example/x',
    repository: 'a/b',
    revision: 'r',
    size: bytes.length,
    sha256: sha256(bytes),
    date: '2025-01-01T00:00:00.000Z',
  })
}

async function flipByte(at: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  await writeFile(path, bytes)
}

describe('pins', () => {
  it('are complete, and the model comes last', () => {
    expect(BGE_M3_PINS.map((pin) => pin.name)).toEqual([
      'sparse_linear.pt',
      'colbert_linear.pt',
      'bge-m3-q8_0.gguf',
    ])
    for (const pin of BGE_M3_PINS) {
      expect(pin.sha256).toMatch(/^[0-9a-f]{64}$/)
      expect(pin.repository).toMatch(/^[\w-]+\/[\w.-]+$/)
    }
    expect(MODEL_PIN.revision).toMatch(/^[0-9a-f]{40}$/)
    expect(pinOf('bge-m3-q8_0.gguf', 634_553_760)).toBe(MODEL_PIN)
    expect(pinOf('bge-m3-q8_0.gguf', 634_553_761)).toBeUndefined()
  })

  it('fit the official head file among the fixtures', async () => {
    const fixture = join(import.meta.dirname, '../fixtures/heads/sparse_linear.pt')
    const pin = HEAD_PINS[0]
    expect(await hashFile(fixture)).toEqual({ size: pin?.size, sha256: pin?.sha256 })
    expect(await checkIntegrity(fixture, { cacheDir })).toMatchObject({
      status: 'verified',
      source: 'pin',
    })
    expect(await verifyModel(fixture, { cacheDir })).toMatchObject({ status: 'ok', source: 'pin' })
  })
})

describe('hashFile', () => {
  it('gives length and SHA-256, and tells how far it is', async () => {
    const steps: number[] = []
    const result = await hashFile(path, { onProgress: (bytes) => steps.push(bytes) })
    expect(result).toEqual({ size: content.length, sha256: sha256(content) })
    expect(steps.at(-1)).toBe(content.length)
    expect(steps.length).toBeGreaterThan(1)
    await writeFile(path, '')
    expect(await hashFile(path)).toEqual({ size: 0, sha256: sha256(Buffer.alloc(0)) })
  })

  it('stops with the signal’s reason', async () => {
    const reason = new Error('enough')
    await expect(hashFile(path, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const controller = new AbortController()
    const onProgress = () => controller.abort(reason)
    await expect(hashFile(path, { signal: controller.signal, onProgress })).rejects.toBe(reason)
  })

  it('has typed errors for what cannot be read', async () => {
    await expect(hashFile(join(dir, 'missing'))).rejects.toThrow(ModelNotFoundError)
    await expect(hashFile(dir)).rejects.toThrow(ModelLoadError)
  })
})

describe('what a file should be', () => {
  it('is given, else in its sidecar, else its pin', async () => {
    expect(await expectedOf(path, content.length)).toBeUndefined()
    const pinned = join(dir, MODEL_PIN.name)
    expect(await expectedOf(pinned, MODEL_PIN.size)).toMatchObject({ source: 'pin' })
    await record()
    expect(await expectedOf(path, 1)).toMatchObject({ source: 'sidecar', size: content.length })
    const given = { size: 1, sha256: 'f'.repeat(64) }
    expect(await expectedOf(path, 1, given)).toEqual({ ...given, source: 'given' })
  })

  it.each([
    '',
    '{',
    'null',
    '[]',
    '{"sha256":"f","size":3}',
    '{"format":"bge-m3-node/pulled-file"}',
    `{"sha256":"${'f'.repeat(64)}","size":3000000}`,
  ])('is not taken from another JSON file: %s', async (text) => {
    await writeFile(sidecarPath(path), text)
    expect(await readSidecar(path)).toBeUndefined()
    const { record, ...found } = await checkIntegrity(path, { cacheDir })
    expect(found).toEqual({ status: 'unknown', sha256: sha256(content) })
    await record?.()
    expect(await readFile(sidecarPath(path), 'utf8')).toBe(text)
  })
})

describe('checkIntegrity', () => {
  it('does not hash when told not to, unless the caller pins the bytes', async () => {
    const onProgress = vi.fn()
    await record(Buffer.from('other'))
    expect(await checkIntegrity(path, { cacheDir, onProgress, verify: 'never' })).toEqual({
      status: 'skipped',
    })
    expect(onProgress).not.toHaveBeenCalled()
    const pinned = { verify: 'never', cacheDir, expected: { sha256: sha256(content) } } as const
    expect(await checkIntegrity(path, pinned)).toMatchObject({
      status: 'verified',
      source: 'given',
    })
    const other = { ...pinned, expected: { sha256: 'f'.repeat(64) } }
    await expect(checkIntegrity(path, other)).rejects.toThrow(IntegrityError)
  })

  describe('what nothing is known about', () => {
    const firstLoad = async () => {
      const { status, record } = await checkIntegrity(path, { cacheDir })
      expect(status).toBe('unknown')
      await record?.()
    }

    it('has its checksum beside it from then on, and is trusted without being read', async () => {
      await firstLoad()
      expect(await readSidecar(path)).toMatchObject({ url: '', sha256: sha256(content) })
      const onProgress = vi.fn()
      expect(await checkIntegrity(path, { cacheDir, onProgress })).toMatchObject({
        status: 'trusted',
        source: 'sidecar',
      })
      expect(onProgress).not.toHaveBeenCalled()
      await flipByte(3)
      await expect(checkIntegrity(path, { cacheDir })).rejects.toThrow(IntegrityError)
    })

    it('has none while it may still be written to', async () => {
      vi.useRealTimers()
      await utimes(path, new Date(), new Date())
      await firstLoad()
      expect(await readSidecar(path)).toBeUndefined()
    })

    it('is hashed once where the folder cannot be written to', async () => {
      // a name that is taken stands for it: root may write anywhere
      await mkdir(sidecarPath(path))
      await firstLoad()
      const onProgress = vi.fn()
      const again = await checkIntegrity(path, { cacheDir, onProgress })
      expect(again).toMatchObject({ status: 'unknown', sha256: sha256(content) })
      expect(onProgress).not.toHaveBeenCalled()
    })

    it.skipIf(process.getuid?.() === 0)('fails no load in a folder that is read-only', async () => {
      await chmod(dir, 0o555)
      try {
        await firstLoad()
        expect(await readSidecar(path)).toBeUndefined()
      } finally {
        await chmod(dir, 0o755)
      }
    })
  })

  it('hashes once, and then trusts while nothing changed', async () => {
    await record()
    const onProgress = vi.fn()
    const options = { cacheDir, onProgress }
    const known = { sha256: sha256(content), source: 'sidecar' }
    expect(await checkIntegrity(path, options)).toEqual({ status: 'verified', ...known })
    expect(onProgress).toHaveBeenCalled()
    onProgress.mockClear()
    expect(await checkIntegrity(path, options)).toEqual({ status: 'trusted', ...known })
    expect(onProgress).not.toHaveBeenCalled()
    expect(await checkIntegrity(path, { ...options, verify: 'always' })).toEqual({
      status: 'verified',
      ...known,
    })
  })

  it.each([
    ['a changed byte', () => flipByte(1_500_000)],
    [
      'a changed byte with the old mtime',
      async () => {
        const { atime, mtime } = await stat(path)
        await flipByte(7)
        await utimes(path, atime, mtime)
      },
    ],
    [
      'another file of the same length in its place',
      async () => {
        await writeFile(`${path}.new`, Buffer.alloc(content.length))
        await utimes(`${path}.new`, new Date(0), new Date(0))
        await rename(`${path}.new`, path)
      },
    ],
    ['a lost end', () => writeFile(path, content.subarray(0, 2_999_999))],
    ['a longer end', () => writeFile(path, Buffer.concat([content, Buffer.alloc(1)]))],
  ])('sees %s although it trusted the file before', async (_, damage) => {
    await record()
    await checkIntegrity(path, { cacheDir })
    expect((await checkIntegrity(path, { cacheDir })).status).toBe('trusted')
    await damage()
    const error = await checkIntegrity(path, { cacheDir }).catch((caught: Error) => caught)
    expect(error).toBeInstanceOf(IntegrityError)
    expect((error as Error).message).toMatch(/`bge-m3 model pull`.*BGE_M3_VERIFY=never/)
  })

  it('does not trust a file that changed just now: its time stamps may hide another change', async () => {
    vi.useRealTimers()
    await record()
    expect((await checkIntegrity(path, { cacheDir })).status).toBe('verified')
    expect((await checkIntegrity(path, { cacheDir })).status).toBe('verified')
  })

  it('does not trust what it remembers if the file should be something else by now', async () => {
    await record()
    await checkIntegrity(path, { cacheDir })
    await record(Buffer.alloc(content.length))
    await expect(checkIntegrity(path, { cacheDir })).rejects.toThrow(IntegrityError)
  })

  it.each([
    '',
    '{"version":1,"files":{',
    '{"version":2,"files":{}}',
    '{"version":1,"files":null}',
    '[]',
  ])('does without a memory that is damaged: %s', async (text) => {
    await mkdir(cacheDir)
    await writeFile(join(cacheDir, 'integrity.json'), text)
    await record()
    expect((await checkIntegrity(path, { cacheDir })).status).toBe('verified')
    expect((await checkIntegrity(path, { cacheDir })).status).toBe('trusted')
  })

  it('ignores entries of its memory that make no sense', async () => {
    await mkdir(cacheDir)
    const { dev, ino } = await stat(path, { bigint: true })
    for (const entry of [null, 7, { size: 1 }, { size: content.length, mtime: '0', ctime: 0 }]) {
      const files = { [`${dev}:${ino}`]: entry }
      await writeFile(join(cacheDir, 'integrity.json'), JSON.stringify({ version: 1, files }))
      await record()
      expect((await checkIntegrity(path, { cacheDir })).status).toBe('verified')
    }
  })

  it('hashes each time where nothing can be remembered', async () => {
    await record()
    await writeFile(join(dir, 'file'), '')
    const nowhere = { cacheDir: join(dir, 'file') }
    expect((await checkIntegrity(path, nowhere)).status).toBe('verified')
    expect((await checkIntegrity(path, nowhere)).status).toBe('verified')
  })

  it('remembers a bounded number of files, readable by their owner only', async () => {
    await mkdir(cacheDir)
    const entry = { size: 1, mtime: '1', ctime: '1', sha256: 'f'.repeat(64) }
    const files = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`1:${i}`, entry]))
    const memory = join(cacheDir, 'integrity.json')
    await writeFile(memory, JSON.stringify({ version: 1, files }))
    await record()
    await checkIntegrity(path, { cacheDir })
    const kept = Object.keys(JSON.parse(await readFile(memory, 'utf8')).files)
    expect(kept).toHaveLength(64)
    const { dev, ino } = await stat(path, { bigint: true })
    expect(kept.at(-1)).toBe(`${dev}:${ino}`)
    expect((await stat(memory)).mode & 0o077).toBe(0)
  })

  it('keeps a sound memory when many loads end at once', async () => {
    await record()
    const results = await Promise.all(
      Array.from({ length: 12 }, () => checkIntegrity(path, { cacheDir })),
    )
    expect(results.every(({ status }) => status === 'verified' || status === 'trusted')).toBe(true)
    expect((await checkIntegrity(path, { cacheDir })).status).toBe('trusted')
  })

  it('has typed errors for what cannot be read', async () => {
    await expect(checkIntegrity(join(dir, 'x'), { cacheDir })).rejects.toThrow(ModelNotFoundError)
    await expect(checkIntegrity(dir, { cacheDir })).rejects.toThrow(ModelLoadError)
    if (process.getuid?.() === 0) return
    await record()
    await chmod(path, 0)
    await expect(checkIntegrity(path, { cacheDir })).rejects.toThrow(ModelLoadError)
  })
})

describe('verifyModel', () => {
  /** Version 3, no tensors, two keys. */
  function gguf(): Buffer {
    const text = (value: string) => {
      const bytes = Buffer.from(value)
      const length = Buffer.alloc(8)
      length.writeBigUInt64LE(BigInt(bytes.length))
      return Buffer.concat([length, bytes])
    }
    const string = Buffer.from([8, 0, 0, 0])
    const head = Buffer.alloc(24)
    head.write('GGUF')
    head.writeUInt32LE(3, 4)
    head.writeBigUInt64LE(2n, 16)
    return Buffer.concat([
      head,
      ...[text('general.architecture'), string, text('bert')],
      ...[text('general.name'), string, text('Tiny')],
    ])
  }

  it('compares the whole file, always, and reads the header', async () => {
    const bytes = gguf()
    await writeFile(path, bytes)
    await makeOld()
    const header = { architecture: 'bert', name: 'Tiny', tensors: 0 }
    const found = { path, size: bytes.length, sha256: sha256(bytes), header }
    expect(await verifyModel(path, { cacheDir })).toEqual({ ...found, status: 'unknown' })
    await record(bytes)
    for (let i = 0; i < 2; i++) {
      const onProgress = vi.fn()
      expect(await verifyModel(path, { cacheDir, onProgress })).toEqual({
        ...found,
        status: 'ok',
        source: 'sidecar',
      })
      expect(onProgress).toHaveBeenCalled()
    }
    // what was verified need not be hashed again at load
    expect((await checkIntegrity(path, { cacheDir })).status).toBe('trusted')
  })

  it('refuses wrong bytes, a wrong length, and a damaged header', async () => {
    await expect(verifyModel(path, { cacheDir })).rejects.toThrow(ModelLoadError)
    await record(Buffer.alloc(content.length))
    await expect(verifyModel(path, { cacheDir })).rejects.toThrow(/sha256 is .* should be/)
    await record(content.subarray(1))
    await expect(verifyModel(path, { cacheDir })).rejects.toThrow(/has 3000000 bytes.*2999999/)
    const expected = { size: content.length, sha256: sha256(content) }
    await expect(verifyModel(path, { cacheDir, expected })).rejects.toThrow(ModelLoadError)
    await expect(verifyModel(join(dir, 'x'), { cacheDir })).rejects.toThrow(ModelNotFoundError)
  })
})
