/** What follows the encoder: poolings beside each other, Dense, LayerNorm, Normalize; and what is refused. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Embedder } from '../../lib/embedder/embedder.js'
import { MODULES_KEY, moduleKey, POOLING_KEY } from '../../lib/model/formats/gguf/own-keys.js'
import { type KeyEdit, rewriteHeader } from '../../lib/model/formats/gguf/rewrite.js'
import { inspectModel } from '../../lib/model/inspect.js'
import { standinPath } from '../helpers/standins.js'
import { mixedTexts } from '../helpers/texts.js'

const WIDTH = 64
let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'modules-'))
})
afterAll(() => rm(directory, { recursive: true }))

let made = 0
async function modelWith(set: KeyEdit[]): Promise<string> {
  const path = join(directory, `${made++}.gguf`)
  await rewriteHeader(await standinPath({ size: 'tiny' }), path, { set })
  return path
}

const poolings = (...modes: string[]): KeyEdit[] => [
  { key: 'bert.pooling_type', type: 'uint32', value: 0 },
  { key: POOLING_KEY, type: 'string[]', value: modes },
]
const chain = (...kinds: string[]): KeyEdit => ({
  key: MODULES_KEY,
  type: 'string[]',
  value: kinds,
})
const floats = (index: number, part: 'weight' | 'bias', value: readonly number[]): KeyEdit => ({
  key: moduleKey(index, part),
  type: 'float32[]',
  value,
})

async function vectors(path: string): Promise<Float32Array[]> {
  const model = await Embedder.load({ model: path, cache: false })
  try {
    const found = await model.embed(mixedTexts(12), { normalize: false })
    const alone = await model.embed(mixedTexts(12)[7] as string, { normalize: false })
    expect(alone.dense).toEqual(found[7]?.dense)
    return found.map(({ dense }) => dense)
  } finally {
    await model.dispose()
  }
}

it('poolings stand beside each other, each as it is alone', async () => {
  const [cls, max] = [
    await vectors(await modelWith(poolings('cls'))),
    await modelWith(poolings('max')),
  ]
  const both = await vectors(await modelWith(poolings('max', 'cls')))
  const alone = await vectors(max)
  both.forEach((vector, i) => {
    expect([...vector]).toEqual([...(alone[i] as Float32Array), ...(cls[i] as Float32Array)])
  })
  expect(cls).toEqual(await vectors(await standinPath({ size: 'tiny' })))
})

it('Dense, LayerNorm and Normalize compute what torch says they do', async () => {
  const outputs = 24
  const number = (i: number) => Math.fround(Math.sin(i * 12.9898) * 0.7)
  const weight = Array.from({ length: outputs * WIDTH }, (_, i) => number(i))
  const bias = Array.from({ length: outputs }, (_, i) => number(i + 7))
  const path = await modelWith([
    chain('dense', 'layer_norm', 'normalize'),
    floats(0, 'weight', weight),
    floats(0, 'bias', bias),
    { key: moduleKey(0, 'activation'), type: 'string', value: 'tanh' },
    floats(1, 'weight', bias),
    floats(1, 'bias', weight.slice(0, outputs)),
  ])
  expect(await inspectModel(path)).toMatchObject({
    dimensions: outputs,
    modules: ['dense', 'layer_norm', 'normalize'],
  })
  const states = await vectors(await standinPath({ size: 'tiny' }))
  const found = await vectors(path)
  for (const [i, state] of states.entries()) {
    const inner = bias.map((b, row) => {
      const sum = state.reduce((sum, x, t) => sum + x * (weight[row * WIDTH + t] as number), b)
      return Math.tanh(sum)
    })
    const mean = inner.reduce((sum, x) => sum + x, 0) / outputs
    const variance = inner.reduce((sum, x) => sum + (x - mean) ** 2, 0) / outputs
    const normed = inner.map(
      (x, t) =>
        ((x - mean) / Math.sqrt(variance + 1e-5)) * (bias[t] as number) + (weight[t] as number),
    )
    const length = Math.hypot(...normed)
    expect(found[i]).toHaveLength(outputs)
    normed.forEach((x, t) => {
      expect(found[i]?.[t]).toBeCloseTo(x / length, 5)
    })
  }
})

it('other numbers of a module are another model', async () => {
  const fingerprint = async (first: number) => {
    const weight = Array.from({ length: WIDTH }, (_, i) => (i === 0 ? first : 1))
    const model = await Embedder.load({
      model: await modelWith([chain('dense'), floats(0, 'weight', weight)]),
    })
    try {
      return model.info.fingerprint
    } finally {
      await model.dispose()
    }
  }
  expect(await fingerprint(1)).not.toBe(await fingerprint(2))
})

it.each<[string, KeyEdit[], RegExp]>([
  ['an unknown pooling', poolings('attention'), /"attention" is not known/],
  ['no pooling', poolings(), /names 0 poolings/],
  ['a pooling said twice', poolings('max').slice(1), /pooling_type is 2, expected 0/],
  ['an unknown module', [chain('lstm')], /"lstm" is not known/],
  ['Dense without numbers', [chain('dense')], /have 0 and 0 elements/],
  ['Dense of another width', [chain('dense'), floats(0, 'weight', Array(65).fill(1))], /have 65/],
  [
    'a bias of another width',
    [chain('dense'), floats(0, 'weight', Array(WIDTH).fill(1)), floats(0, 'bias', [1, 2])],
    /have 64 and 2/,
  ],
  [
    'an unknown activation',
    [
      chain('dense'),
      floats(0, 'weight', Array(WIDTH).fill(1)),
      { key: moduleKey(0, 'activation'), type: 'string', value: 'mish' },
    ],
    /"mish" is not known/,
  ],
  ['LayerNorm of another width', [chain('layer_norm'), floats(0, 'weight', [1])], /have 1 and 0/],
  ['too many', [chain(...Array(40).fill('normalize'))], /40 modules/],
  [
    'numbers of another type',
    [chain('dense'), { key: moduleKey(0, 'weight'), type: 'uint16[]', value: [1] }],
    /not an array of f32/,
  ],
])('%s is refused before llama.cpp sees the file', async (_, set, message) => {
  const path = await modelWith(set)
  await expect(Embedder.load({ model: path })).rejects.toMatchObject({ code: 'MODEL_LOAD' })
  await expect(Embedder.load({ model: path })).rejects.toThrow(message)
})
