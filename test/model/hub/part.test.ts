import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { thisProcess } from '../../../lib/model/hub/owner.js'
import { type ClaimOptions, Part, PartLostError } from '../../../lib/model/hub/part.js'
import { expectBytes, namesIn, noise, useHub } from './fixtures.js'
import { sha256 } from './test-hub.js'

const fixture = useHub()
const content = noise(50_000)
const expected = { size: content.length, sha256: sha256(content) }

function claim(token: string, more: Partial<ClaimOptions> = {}): Promise<Part> {
  const final = join(fixture.dir, 'm.gguf')
  return Part.claim({ final, expected, token: token.repeat(16), ...more })
}

describe('Part', () => {
  it('that is taken over from a process that may still write is out of its reach', async () => {
    const { dir } = fixture
    const first = await claim('a')
    await first.append(content.subarray(0, 20_000))
    await first.belongsTo('"etag"')

    const second = await claim('b')
    expect(second.size).toBe(20_000)
    expect(second.etag).toBe('"etag"')
    // the first one wakes up, and does not know yet
    await first.append(Buffer.alloc(10_000, 0xff))
    await second.append(content.subarray(20_000))
    expect(second.digest()).toBe(expected.sha256)
    await second.place()
    await first.append(Buffer.alloc(10_000, 0xff))
    await expectBytes(join(dir, 'm.gguf'), content)

    await expect(first.place()).rejects.toThrow(PartLostError)
    await first.release()
    await expectBytes(join(dir, 'm.gguf'), content)
    expect(await namesIn(dir)).toEqual(['m.gguf'])
  })

  it('of a process that is gone is taken over without a copy', async () => {
    const { dir } = fixture
    const old = join(dir, `m.gguf.${'a'.repeat(16)}.part`)
    await writeFile(old, content.subarray(0, 20_000))
    // No process has this id: it is above what any system gives out.
    const owner = { ...thisProcess(), pid: 2 ** 30 }
    await writeFile(`${old}.json`, JSON.stringify({ ...expected, etag: '"e"', owner }))
    const { ino } = await stat(old)
    const part = await claim('b')
    expect(part.size).toBe(20_000)
    expect((await stat(join(dir, `m.gguf.${'b'.repeat(16)}.part`))).ino).toBe(ino)
    await part.release()
    expect(await namesIn(dir)).toEqual(['m.gguf.part', 'm.gguf.part.json'])
  })

  it('takes over the longest of several, and clears the others away', async () => {
    const { dir } = fixture
    for (const [name, length] of [
      ['m.gguf.part', 9_000],
      [`m.gguf.${'c'.repeat(16)}.part`, 12_000],
    ] as const) {
      await writeFile(join(dir, name), content.subarray(0, length))
      await writeFile(join(dir, `${name}.json`), JSON.stringify(expected))
    }
    const part = await claim('b')
    expect(part.size).toBe(12_000)
    await part.release()
    expect(await namesIn(dir)).toEqual(['m.gguf.part', 'm.gguf.part.json'])
  })

  it('that was never written to leaves nothing', async () => {
    const part = await claim('a')
    await part.release()
    await part.release()
    expect(await namesIn(fixture.dir)).toEqual([])
  })

  it('keeps what was there when the caller gives up while it is hashed', async () => {
    const { dir } = fixture
    await writeFile(join(dir, 'm.gguf.part'), content.subarray(0, 30_000))
    await writeFile(join(dir, 'm.gguf.part.json'), JSON.stringify(expected))
    const reason = new Error('enough')
    await expect(claim('a', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const onCheck = vi.fn()
    const part = await claim('a', { onCheck })
    expect(part.size).toBe(30_000)
    expect(onCheck).toHaveBeenLastCalledWith(30_000)
    await part.release()
  })
})
