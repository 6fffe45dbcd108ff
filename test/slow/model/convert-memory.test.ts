/** The memory of converting a checkpoint that is larger than it may be: in one file, in shards, and torch's. */

import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../../lib/model/convert/config.js'
import { tensorRules } from '../../../lib/model/convert/tensor-names.js'
import { root, runModule } from '../../helpers/child.js'
import { standinPath } from '../../helpers/standins.js'
import { writeCheckpoint } from '../../model/writers/checkpoint.js'
import { writeSafetensors } from '../../model/writers/safetensors.js'
import { bytesOf, type WritableTensor } from '../../model/writers/tensors.js'
import { writeTorch } from '../../model/writers/torch.js'

/** What the issue allows. */
const MOST_BYTES = 1e9

let directory: string
let tensors: WritableTensor[]
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'convert-memory-'))
  await writeCheckpoint(await standinPath({ size: 'tiny', type: 'f32' }), directory, {
    heads: false,
  })
  await rm(join(directory, 'pytorch_model.bin'))
  // the whole vocabulary of XLM-R at bge-m3's width: 1.0 GB in one tensor
  const wide = { hidden_size: 1024, intermediate_size: 4096, num_attention_heads: 16 }
  const config = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8'))
  await writeFile(join(directory, 'config.json'), JSON.stringify({ ...config, ...wide }))
  tensors = tensorRules(await readConfig(directory)).map(({ source, shape }, at) => ({
    name: source,
    dtype: 'F32',
    shape,
    chunks: () =>
      seeded(
        shape.reduce((a, b) => a * b, 1),
        at,
      ),
  }))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

/** Numbers of a linear congruential generator, a megabyte at a time. */
function* seeded(count: number, seed: number): Generator<Uint8Array> {
  let state = seed + 1
  for (let left = count; left > 0; left -= 1 << 18) {
    const values = new Float32Array(Math.min(left, 1 << 18))
    for (let i = 0; i < values.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0
      values[i] = state / 2 ** 33
    }
    yield bytesOf(values)
  }
}

async function convert(type: string): Promise<{ rss: number; size: number }> {
  const output = join(directory, `${type}.gguf`)
  const { stdout, stderr, code } = await runModule(`
    import { convertCheckpoint } from ${JSON.stringify(join(root, 'dist/model.js'))}
    await convertCheckpoint(${JSON.stringify(directory)}, {
      output: ${JSON.stringify(output)}, type: ${JSON.stringify(type)},
    })
    console.log(process.resourceUsage().maxRSS)`)
  expect(stderr).toBe('')
  expect(code).toBe(0)
  const { size } = await stat(output)
  await rm(output)
  return { rss: Number(stdout) * 1024, size }
}

describe('the memory of a conversion stays below a gigabyte', () => {
  const half = () => Math.floor(tensors.length / 2)
  it.each<[string, () => Promise<void>, string[]]>([
    [
      'model.safetensors in two shards',
      async () => {
        const parts = { 'model-1.safetensors': tensors.slice(0, half()) }
        const others = { 'model-2.safetensors': tensors.slice(half()) }
        const shards = Object.entries({ ...parts, ...others })
        for (const [name, list] of shards) await writeSafetensors(join(directory, name), list)
        const map = shards.flatMap(([file, list]) => list.map(({ name }) => [name, file]))
        await writeFile(
          join(directory, 'model.safetensors.index.json'),
          JSON.stringify({ weight_map: Object.fromEntries(map) }),
        )
      },
      ['model-1.safetensors', 'model-2.safetensors', 'model.safetensors.index.json'],
    ],
    [
      'pytorch_model.bin',
      () => writeTorch(join(directory, 'pytorch_model.bin'), tensors),
      ['pytorch_model.bin'],
    ],
  ])('from %s', async (_, write, files) => {
    await write()
    const sizes = await Promise.all(
      files.map(async (file) => (await stat(join(directory, file))).size),
    )
    const bytes = sizes.reduce((a, b) => a + b, 0)
    expect(bytes).toBeGreaterThan(MOST_BYTES)
    for (const type of ['q8_0', 'f32']) {
      const { rss, size } = await convert(type)
      console.info(`${files[0]}: ${bytes} bytes to ${size} in ${type}, at most ${rss} resident`)
      expect(rss).toBeLessThan(MOST_BYTES)
    }
    for (const file of files) await rm(join(directory, file))
  })
})
