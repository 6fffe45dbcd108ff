import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toFloat16 } from '../../../lib/common/float16.js'
import { NpyWriter } from '../../../lib/integrations/files/npy-output.js'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'bge-m3-npy-'))
})
afterAll(() => rm(directory, { recursive: true }))

/** By the format's own words, not by our writer's constants. */
function parse(bytes: Buffer): { descr: string; shape: number[]; data: Buffer } {
  expect(bytes.subarray(0, 8)).toEqual(Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]))
  const length = bytes.readUInt16LE(8)
  expect((10 + length) % 64).toBe(0)
  const header = bytes.toString('latin1', 10, 10 + length)
  expect(header.endsWith('\n')).toBe(true)
  const match =
    /^\{'descr': '(<f[24])', 'fortran_order': False, 'shape': \((\d+), (\d+)\), \} *\n$/.exec(
      header,
    )
  expect(match).not.toBeNull()
  const [, descr = '', rows, cols] = match as RegExpExecArray
  return { descr, shape: [Number(rows), Number(cols)], data: bytes.subarray(10 + length) }
}

const target = (name: string) => path.join(directory, name)
const load = async (name: string) => parse(await readFile(target(name)))

describe('NpyWriter', () => {
  it('writes a matrix row by row', async () => {
    const rows = Array.from({ length: 700 }, () => Float32Array.from({ length: 512 }, Math.random))
    const writer = await NpyWriter.create(target('a.npy'), 512, '<f4')
    for (const row of rows) await writer.append(row)
    expect(writer.rows).toBe(700)
    await writer.close()
    const { descr, shape, data } = await load('a.npy')
    expect(descr).toBe('<f4')
    expect(shape).toEqual([700, 512])
    expect(data.length).toBe(700 * 512 * 4)
    const check = [0, 1, 511, 512, 513, 699]
    for (const i of check) {
      for (const j of [0, 511]) expect(data.readFloatLE((i * 512 + j) * 4)).toBe(rows[i]?.[j])
    }
  })

  it('takes a view of a larger array', async () => {
    const all = Float32Array.of(1, 2, 3, 4)
    const writer = await NpyWriter.create(target('v.npy'), 2, '<f4')
    await writer.append(all.subarray(1, 3))
    await writer.close()
    const { data } = await load('v.npy')
    expect([data.readFloatLE(0), data.readFloatLE(4)]).toEqual([2, 3])
  })

  it('has a row of NaN for what is missing', async () => {
    for (const type of ['<f4', '<f2'] as const) {
      const writer = await NpyWriter.create(target('n.npy'), 2, type)
      await writer.append()
      await writer.append(type === '<f4' ? Float32Array.of(1, 2) : toFloat16(Float32Array.of(1, 2)))
      await writer.close()
      const { descr, shape, data } = await load('n.npy')
      expect(descr).toBe(type)
      expect(shape).toEqual([2, 2])
      if (type === '<f4') {
        expect([0, 4, 8, 12].map((at) => data.readFloatLE(at))).toEqual([NaN, NaN, 1, 2])
      } else {
        expect([0, 2, 4, 6].map((at) => data.readUInt16LE(at))).toEqual([
          0x7e00, 0x7e00, 0x3c00, 0x4000,
        ])
      }
    }
  })

  it('is a matrix of no rows until it is closed, and closes once', async () => {
    const writer = await NpyWriter.create(target('e.npy'), 3, '<f4')
    expect((await load('e.npy')).shape).toEqual([0, 3])
    await writer.close()
    await writer.close()
    expect((await load('e.npy')).data.length).toBe(0)
  })

  it('refuses a row of another width', async () => {
    const writer = await NpyWriter.create(target('w.npy'), 3, '<f4')
    await expect(writer.append(new Float32Array(2))).rejects.toThrow('does not fit 3 columns')
    await writer.close()
  })

  it('refuses what is no regular file', async () => {
    await expect(NpyWriter.create('/dev/null', 3, '<f4')).rejects.toThrow('no regular file')
    await expect(NpyWriter.create(directory, 3, '<f4')).rejects.toThrow('EISDIR')
  })
})
