import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  IntegrityError,
  ModelLoadError,
  ModelNotFoundError,
} from '../../../../lib/common/errors.js'
import { fromBytes, openFile } from '../../../../lib/model/formats/random-access.js'
import { crc32, portableCrc32 } from '../../../../lib/model/formats/torch/crc32.js'
import { StoredZip, type ZipEntry } from '../../../../lib/model/formats/torch/zip.js'
import { bytes } from '../../writers/tensors.js'
import { ZipWriter } from '../../writers/torch.js'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zip-'))
})
afterAll(() => rm(directory, { recursive: true }))

async function archive(zip64: boolean, content = 'hello, world'): Promise<Uint8Array> {
  const path = join(directory, `${zip64}.zip`)
  const handle = await open(path, 'w')
  const writer = new ZipWriter(handle, { zip64 })
  await writer.add('empty', [])
  await writer.add('greeting', [bytes(content.slice(0, 3)), bytes(content.slice(3))])
  await writer.end()
  await handle.close()
  return new Uint8Array(await readFile(path))
}

/** A copy with bytes changed at the first (or `from`-th) place where `marker` stands. */
function patched(source: Uint8Array, marker: string, offset: number, ...values: number[]) {
  const at = Buffer.from(source).indexOf(marker, 0, 'latin1')
  expect(at).toBeGreaterThanOrEqual(0)
  const copy = source.slice()
  copy.set(values, at + offset)
  return copy
}

const zipOf = (content: Uint8Array) => StoredZip.open(fromBytes(content, 'test.zip'))

describe('crc32', () => {
  it('is the checksum of zip', () => {
    // The check value of CRC-32/ISO-HDLC.
    expect(portableCrc32(bytes('123456789'))).toBe(0xcbf43926)
    expect(crc32(bytes('123456789'))).toBe(0xcbf43926)
    expect(portableCrc32(bytes('6789'), portableCrc32(bytes('12345')))).toBe(0xcbf43926)
    expect(portableCrc32(bytes())).toBe(0)
  })
})

describe('StoredZip', () => {
  it.each([false, true])('reads entries (zip64: %s)', async (zip64) => {
    const zip = await zipOf(await archive(zip64))
    expect([...zip.entries.keys()]).toEqual(['archive/empty', 'archive/greeting'])
    const greeting = zip.entries.get('archive/greeting') as ZipEntry
    expect(new TextDecoder().decode(await zip.read(greeting, 100))).toBe('hello, world')
    expect((await zip.dataOffset(greeting)) % 64).toBe(0)
    await zip.verify(greeting)
    await expect(zip.read(greeting, 5)).rejects.toThrow(/too large/)
    expect(await zip.read(zip.entries.get('archive/empty') as ZipEntry, 0)).toHaveLength(0)
  })

  it('finds the end record before a comment', async () => {
    const plain = await archive(false)
    const commented = bytes(patched(plain, 'PK\x05\x06', 20, 5, 0), 'hello')
    expect((await zipOf(commented)).entries.size).toBe(2)
    await expect(zipOf(bytes(plain, 'x'))).rejects.toThrow(/not a zip archive/)
  })

  it('compares checksums, where there are any', async () => {
    const plain = await archive(false)
    const damaged = await zipOf(patched(plain, 'hello', 0, 0x48))
    const entry = damaged.entries.get('archive/greeting') as ZipEntry
    await expect(damaged.read(entry, 100)).rejects.toThrow(IntegrityError)
    await expect(damaged.verify(entry)).rejects.toThrow(IntegrityError)
    await expect(damaged.verify(entry, AbortSignal.abort(new Error('stop')))).rejects.toThrow(
      'stop',
    )
    await damaged.verify({ ...entry, crc32: 0 })
  })

  it('refuses what is not a whole, plain archive of stored entries', async () => {
    const plain = await archive(false)
    const wide = await archive(true)
    const cases: [string, Uint8Array, RegExp][] = [
      ['nothing', bytes(), /not a zip archive/],
      ['text', bytes('just text that is longer than an end record'), /not a zip archive/],
      ['cut short', plain.subarray(0, plain.length - 1), /not a zip archive/],
      ['compressed', patched(plain, 'PK\x01\x02', 10, 8), /compressed/],
      ['encrypted', patched(plain, 'PK\x01\x02', 8, 1), /encrypted/],
      ['another volume', patched(plain, 'PK\x01\x02', 34, 1), /another volume/],
      ['split', patched(plain, 'PK\x05\x06', 4, 1), /volumes/],
      ['sizes that differ', patched(plain, 'PK\x01\x02', 20, 1), /damaged/],
      ['a directory outside', patched(plain, 'PK\x05\x06', 16, 0xfe, 0xff, 0xff, 0xfe), /damaged/],
      ['more entries than directory', patched(plain, 'PK\x05\x06', 10, 0xff, 0x0f), /damaged/],
      ['no central header', patched(plain, 'PK\x01\x02', 0, 0), /damaged/],
      ['a name beyond the directory', patched(plain, 'PK\x01\x02', 28, 0xff, 0xff), /damaged/],
      ['an entry outside', patched(plain, 'PK\x01\x02', 42, 0xff, 0xff, 0xff, 0x7f), /damaged/],
      ['no zip64 locator', patched(wide, 'PK\x06\x07', 0, 0), /damaged/],
      ['split zip64', patched(wide, 'PK\x06\x07', 16, 2), /volumes/],
      ['a zip64 record elsewhere', patched(wide, 'PK\x06\x07', 8, 1), /damaged|outside/],
      ['a far zip64 record', patched(wide, 'PK\x06\x07', 15, 0xff), /outside/],
      ['split zip64 record', patched(wide, 'PK\x06\x06', 16, 1), /volumes/],
      ['a huge zip64 count', patched(wide, 'PK\x06\x06', 39, 0xff), /damaged/],
      ['no zip64 sizes', patched(wide, 'archive/greeting\x01\x00', 16, 2), /not start|damaged/],
      ['short zip64 sizes', patched(wide, 'archive/empty\x01\x00\x18', 15, 8), /damaged/],
    ]
    for (const [what, content, message] of cases) {
      const error = await zipOf(content).then(
        () => undefined,
        (error: unknown) => error,
      )
      expect(error, what).toBeInstanceOf(ModelLoadError)
      expect((error as Error).message, what).toMatch(message)
    }
  })

  it('refuses names that are there twice', async () => {
    const handle = await open(join(directory, 'twice.zip'), 'w')
    const writer = new ZipWriter(handle)
    await writer.add('a', [bytes('1')])
    await writer.add('a', [bytes('2')])
    await writer.end()
    await handle.close()
    const source = await openFile(join(directory, 'twice.zip'))
    await expect(StoredZip.open(source)).rejects.toThrow(/twice/)
    await source.close()
  })

  it('checks local headers when an entry is asked for', async () => {
    const plain = await archive(false)
    const local = 'PK\x03\x04'
    const cases: [Uint8Array, RegExp][] = [
      [patched(plain, local, 0, 0), /does not start/],
      [patched(plain, local, 8, 8), /compressed/],
      [patched(plain, local, 6, 1), /encrypted/],
      [patched(plain, 'archive/empty', 0, 0x41), /another name/],
      [patched(plain, local, 28, 0xff, 0xff), /runs into/],
    ]
    for (const [content, message] of cases) {
      const zip = await zipOf(content)
      const entry = zip.entries.get('archive/empty') as ZipEntry
      await expect(zip.dataOffset(entry)).rejects.toThrow(message)
    }
  })
})

describe('openFile', () => {
  beforeAll(async () => void (await archive(false)))

  it('says what cannot be opened', async () => {
    await expect(openFile(join(directory, 'none'))).rejects.toThrow(ModelNotFoundError)
    await expect(openFile(directory)).rejects.toThrow(ModelLoadError)
    await expect(openFile(join(directory, 'false.zip', 'x'))).rejects.toThrow(ModelLoadError)
  })

  it('never reads outside', async () => {
    const source = await openFile(join(directory, 'false.zip'))
    for (const [offset, length] of [
      [0, source.size + 1],
      [-1, 1],
      [0, Number.NaN],
      [Number.POSITIVE_INFINITY, 1],
    ] as const) {
      await expect(source.read(offset, length)).rejects.toThrow(ModelLoadError)
      await expect(fromBytes(new Uint8Array(3)).read(offset, length)).rejects.toThrow(
        ModelLoadError,
      )
    }
    await source.close()
  })

  it('notices a file that shrinks while it is read', async () => {
    const path = join(directory, 'shrinks')
    const handle = await open(path, 'w')
    await handle.write('0123456789')
    const source = await openFile(path)
    await handle.truncate(4)
    await handle.close()
    await expect(source.read(0, 10)).rejects.toThrow(IntegrityError)
    await source.close()
  })
})
