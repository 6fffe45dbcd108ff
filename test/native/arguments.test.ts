/** The contract with the addon, broken in every argument: an error with a code, never a read past an end. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type {
  NativeAddon,
  NativeModel,
  NativeSession,
  NativeTokenizer,
} from '../../lib/native/addon.js'
import { loadAddon } from '../../lib/native/load.js'
import { tinyPath } from '../helpers/standins.js'

let path: string
let addon: NativeAddon
let model: NativeModel
let tokenizer: NativeTokenizer
let session: NativeSession
let dim: number

beforeAll(async () => {
  path = await tinyPath()
  addon = loadAddon()
  model = await addon.loadModel(path)
  tokenizer = model.tokenizer()
  session = model.session(1)
  dim = model.info().dim
})
afterAll(async () => {
  await session.release()
  await tokenizer.release()
  await model.release()
})

function detached(): Int32Array {
  const array = new Int32Array([0, 5, 2])
  structuredClone(array.buffer, { transfer: [array.buffer] })
  return array
}

/** What none of the methods takes anywhere. */
const WRONG = [
  undefined,
  true,
  -1,
  1.5,
  Number.NaN,
  2 ** 32,
  12n,
  Symbol('s'),
  () => {},
  new Uint8Array(3),
  new Float64Array(3),
  new DataView(new ArrayBuffer(8)),
]

const refused = (call: () => unknown, what: string) => {
  let error: { code?: string; message?: string } | undefined
  try {
    call()
  } catch (caught) {
    error = caught as { code: string }
  }
  expect(error?.code, what).toBe('INVALID_INPUT')
  expect(error?.message, what).toMatch(
    /^(isa|path|texts|a text|ids|maxTokens|mode|threads|id|tokens|lengths|outputs|heads|dim|sparse\w+|a|b|out|m|n|k) is no /,
  )
}

describe('an argument of another kind', () => {
  const ids = Int32Array.of(0, 5, 2)
  const f32 = new Float32Array(4)
  /** Right arguments; each is replaced in turn. */
  const calls: [string, () => object, unknown[]][] = [
    ['loadModel', () => addon, ['x.gguf']],
    ['matmulTransposed', () => addon, [f32, f32, f32, 2, 2, 2]],
    ['loadTokenizer', () => addon, ['x.gguf']],
    ['tokenize', () => tokenizer, [['text'], 8, 0]],
    ['pieces', () => tokenizer, [Uint32Array.of(5)]],
    ['session', () => model, [1]],
    ['run', () => session, [1, ids, Uint32Array.of(3), 1]],
    ['cancel', () => session, [1]],
    ['withdraw', () => session, [1]],
    ['contextBytes', () => session, [1]],
  ]
  it.for(calls)('%s', ([name, target, args]) => {
    const object = target() as Record<string, (...args: unknown[]) => unknown>
    for (const i of args.keys())
      for (const wrong of WRONG) {
        const given = args.map((right, at) => (at === i ? wrong : right))
        refused(() => object[name]?.(...given), `${name}, argument ${i}: ${String(wrong)}`)
      }
  })

  it('machine', () => {
    for (const wrong of WRONG.slice(1)) refused(() => addon.machine(wrong as never), String(wrong))
  })

  it('tokenize, a text among texts', () => {
    for (const wrong of WRONG)
      refused(() => tokenizer.tokenize(['a', wrong as never], 8, 0), String(wrong))
  })

  it('heads', async () => {
    const run = (heads: unknown) => session.run(7, ids, Uint32Array.of(3), 1, heads as object)
    // wrapped, but by other classes
    for (const wrong of [...WRONG.slice(1), {}, model, session]) refused(() => run(wrong), 'heads')
    const values = { sparseWeight: new Float32Array(dim), sparseBias: 0 }
    await run(new addon.NativeHeads(dim, values))
    for (const wrong of WRONG) {
      refused(() => new addon.NativeHeads(wrong as never, values), 'dim')
      if (typeof wrong !== 'number')
        refused(() => new addon.NativeHeads(dim, { ...values, sparseBias: wrong } as never), 'bias')
    }
  })

  it('arrays that are empty, detached or do not add up', async () => {
    for (const [tokens, lengths] of [
      [detached(), Uint32Array.of(3)],
      [new Int32Array(), new Uint32Array()],
      [ids, Uint32Array.of(2)],
      [ids, Uint32Array.of(2 ** 32 - 1, 4)],
      [Int32Array.of(-1, 5, 2), Uint32Array.of(3)],
      [Int32Array.of(0, 2 ** 31 - 1, 2), Uint32Array.of(3)],
    ] as const) {
      await expect(session.run(9, tokens, lengths, 1, null)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      })
    }
  })
})

describe('what the addon wraps', () => {
  it('is made by the addon alone', () => {
    for (const made of [model, session]) {
      const Class = made.constructor as new (...args: unknown[]) => unknown
      for (const args of [[], [{}], [made]]) expect(() => new Class(...args)).toThrow(/^Use /)
    }
  })

  it('has methods of its own class alone', () => {
    const { run } = session
    for (const wrong of [model, {}, undefined])
      expect(() =>
        run.call(wrong as never, 1, Int32Array.of(0), Uint32Array.of(1), 1, null),
      ).toThrow(TypeError)
  })
})
