import { createHash } from 'node:crypto'
import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder, IntegrityError, InvalidInputError, ModelLoadError } from '../../lib/index.js'
import { readSidecar, sidecarPath } from '../../lib/model/sidecar.js'
import { standinPath, tinyPath } from '../helpers/standins.js'
import { until } from '../helpers/until.js'

let dir: string
let path: string
let other: string
let sha256: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bge-m3-checksum-'))
  path = join(dir, 'tiny.gguf')
  await copyFile(await tinyPath(), path)
  other = await standinPath({ size: 'tiny', arch: 'minilm' })
  sha256 = createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const loaded = async (options: Parameters<typeof Embedder.load>[0]) => {
  const embedder = await Embedder.load({ cache: false, cacheDir: join(dir, 'cache'), ...options })
  const { fingerprint } = embedder.info
  await embedder.dispose()
  return fingerprint
}

describe('load({ sha256 })', () => {
  it('takes the file that it names, in either case of its digits', async () => {
    const fingerprint = await loaded({ model: path, sha256 })
    expect(await loaded({ model: path, sha256: sha256.toUpperCase() })).toBe(fingerprint)
  })

  it('refuses another before anything of it is used', async () => {
    const damaged = join(dir, 'damaged.gguf')
    await writeFile(damaged, 'no model at all')
    for (const verify of ['auto', 'always', 'never'] as const) {
      await expect(loaded({ model: path, sha256: 'f'.repeat(64), verify })).rejects.toThrow(
        IntegrityError,
      )
      // were it read as a model first, the error would be another
      await expect(loaded({ model: damaged, sha256, verify })).rejects.toThrow(IntegrityError)
    }
    await expect(loaded({ model: damaged })).rejects.toThrow(ModelLoadError)
  })

  it.each(['', 'f'.repeat(63), 'g'.repeat(64), 7])(
    'refuses %j, which is no checksum',
    async (no) => {
      await expect(loaded({ model: path, sha256: no as string })).rejects.toThrow(InvalidInputError)
    },
  )

  it('is of the model alone: not of its fallback, nor of what is swapped in', async () => {
    const embedder = await Embedder.load({ model: path, sha256, fallback: other, cache: false })
    await embedder.swapModel({ model: other })
    await expect(embedder.swapModel({ model: path, sha256: 'f'.repeat(64) })).rejects.toThrow(
      IntegrityError,
    )
    await embedder.dispose()
    const rescued = await Embedder.load({ model: path, sha256: 'f'.repeat(64), fallback: other })
    expect((await rescued.embed('hello')).dense).toBeInstanceOf(Float32Array)
    await rescued.dispose()
  })

  it('by variable is not of a model that a program names', async () => {
    process.env.BGE_M3_SHA256 = 'f'.repeat(64)
    try {
      await loaded({ model: path })
      process.env.BGE_M3_MODEL = path
      await expect(loaded({})).rejects.toThrow(IntegrityError)
    } finally {
      delete process.env.BGE_M3_SHA256
      delete process.env.BGE_M3_MODEL
    }
  })
})

describe('the first load of a file', () => {
  it('writes its checksum beside it, which later loads compare; the fingerprint stays', async () => {
    const model = join(dir, 'first.gguf')
    await copyFile(path, model)
    let fingerprint: string | undefined
    // what changed a moment ago is not recorded yet
    await until(async () => {
      fingerprint = await loaded({ model })
      return (await readSidecar(model)) !== undefined
    })
    expect((await readSidecar(model))?.sha256).toBe(sha256)
    expect(await loaded({ model })).toBe(fingerprint)

    const bytes = await readFile(model)
    const last = bytes.length - 1
    bytes[last] = (bytes[last] ?? 0) ^ 1
    await writeFile(model, bytes)
    await expect(loaded({ model })).rejects.toThrow(IntegrityError)
    await rm(sidecarPath(model))
    expect(await loaded({ model })).not.toBe(fingerprint)
  })

  it('leaves nothing beside a file that is no model', async () => {
    const model = join(dir, 'broken.gguf')
    await writeFile(model, 'GGUF, but only by name')
    const { ctimeMs } = await stat(model)
    await until(() => Date.now() - ctimeMs > 2_500)
    await expect(loaded({ model })).rejects.toThrow(ModelLoadError)
    expect(await readSidecar(model)).toBeUndefined()
  })
})
