import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InvalidInputError, ModelLoadError, ModelNotFoundError } from '../../lib/common/errors.js'
import { type ConvertOptions, convertCheckpoint } from '../../lib/model/convert/convert.js'
import { HEAD_KEYS, STANDIN_KEY } from '../../lib/model/formats/gguf/own-keys.js'
import { GgufFile } from '../../lib/model/formats/gguf/reader.js'
import { createStandin } from '../../lib/model/standin/create.js'
import { type CheckpointOptions, writeCheckpoint } from './writers/checkpoint.js'
import { bytes, bytesOf, type WritableTensor } from './writers/tensors.js'
import { sentencePieceModel } from './writers/tokenizers.js'

let directory: string
const at = (...parts: string[]) => join(directory, ...parts)
const VOCAB = 600

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'convert-'))
  for (const type of ['f32', 'f16', 'q8_0'] as const) {
    await createStandin({ output: at(`${type}.gguf`), size: 'tiny', type, vocabSize: VOCAB })
  }
})
afterAll(() => rm(directory, { recursive: true }))

let count = 0
async function checkpoint(options: CheckpointOptions = {}): Promise<string> {
  const path = at(`checkpoint-${count++}`)
  await writeCheckpoint(at('f32.gguf'), path, options)
  return path
}

async function convert(source: string, options: Partial<ConvertOptions> = {}) {
  const output = `${source}.gguf`
  return { ...(await convertCheckpoint(source, { output, ...options })), output }
}

interface TokenizerFile {
  model: { vocab: unknown[] }
}

/** Everything in a GGUF: values of keys as bytes, and tensors. */
async function contents(path: string) {
  const file = await GgufFile.open(path)
  try {
    const keys = new Map<string, string>()
    for (const key of file.keys.keys()) {
      const { type, payload } = (await file.entry(key)) ?? { type: -1, payload: new Uint8Array() }
      keys.set(key, `${type}:${Buffer.from(payload).toString('base64')}`)
    }
    const tensors = new Map<string, unknown>()
    for (const { name, type, dims } of file.tensors.values()) {
      const data = Buffer.from(await file.tensor(name)).toString('base64')
      tensors.set(name, { type, dims, data })
    }
    return { keys, tensors }
  } finally {
    await file.close()
  }
}

/** Compares a converted file with the stand-in of its type: the same but for what cannot be. */
async function expectSame(path: string, type: 'q8_0' | 'f16' | 'f32', tokenizer = 'sentencepiece') {
  const ours = await contents(path)
  const theirs = await contents(at(`${type}.gguf`))
  expect([...ours.tensors.keys()]).toEqual([...theirs.tensors.keys()])
  for (const [name, tensor] of theirs.tensors) {
    if (JSON.stringify(ours.tensors.get(name)) !== JSON.stringify(tensor)) expect.fail(name)
  }
  theirs.keys.delete(STANDIN_KEY)
  const heads = Object.values(HEAD_KEYS) as string[]
  const differing = new Set(['general.name', ...heads])
  // The id of <mask>: see below.
  const vocabulary = ['tokens', 'scores', 'token_type'].map((key) => `tokenizer.ggml.${key}`)
  for (const key of vocabulary) differing.add(key)
  expect([...ours.keys.keys()]).toEqual([...theirs.keys.keys()])
  for (const [key, value] of theirs.keys) {
    if (!differing.has(key)) expect(ours.keys.get(key), key).toBe(value)
  }
  await expectSameVocabulary(path, type, tokenizer)
  await expectSameHeads(path, type)
}

async function expectSameVocabulary(path: string, type: string, tokenizer: string) {
  const ours = await GgufFile.open(path)
  const theirs = await GgufFile.open(at(`${type}.gguf`))
  for (const key of ['tokens', 'scores', 'token_type']) {
    const read = async (file: GgufFile): Promise<unknown[]> => [
      ...((await file.strings(`tokenizer.ggml.${key}`)) ??
        (await file.numbers(`tokenizer.ggml.${key}`)) ??
        []),
    ]
    const expected = await read(theirs)
    expect(expected).toHaveLength(VOCAB)
    // In a vocabulary cut short the filler has another number; tokenizer.json knows the token.
    const last = { tokens: `[PAD${VOCAB - 2}]`, scores: -10_000, token_type: 5 }
    const mask = { tokens: '<mask>', scores: 0, token_type: 3 }
    expected[VOCAB - 1] = (tokenizer === 'json' ? mask : last)[key as keyof typeof mask]
    expect(await read(ours)).toEqual(expected)
  }
  await ours.close()
  await theirs.close()
}

async function expectSameHeads(path: string, type: string) {
  const { readHeads } = await import('../../lib/model/heads.js')
  const [ours, theirs] = [await readHeads(path, 64), await readHeads(at(`${type}.gguf`), 64)]
  expect(ours.sparse).toEqual(theirs.sparse)
  expect(ours.colbert).toEqual(theirs.colbert)
  expect(ours.sha256).toBe(theirs.sha256)
}

describe('a checkpoint written from a stand-in converts back', () => {
  it.each(['f32', 'f16', 'q8_0'] as const)('to the same %s file', async (type) => {
    const { output, ...result } = await convert(await checkpoint(), { type })
    await expectSame(output, type)
    expect(result).toMatchObject({
      type,
      path: output,
      tensors: 37,
      heads: { sparse: true, colbert: true },
      sources: [
        'pytorch_model.bin',
        'sentencepiece.bpe.model',
        'sparse_linear.pt',
        'colbert_linear.pt',
      ],
    })
    expect(result.sizeBytes).toBe((await readFile(output)).length)
  })

  it.each<[string, CheckpointOptions]>([
    ['safetensors', { weights: 'safetensors' }],
    ['a zip64 archive', { zip64: true }],
    ['a model with a prefix', { prefix: 'roberta.' }],
    ['tokenizer.json', { tokenizer: 'json' }],
    ['tensors in another order', { edit: (tensors) => tensors.reverse() }],
  ])('from %s', async (_, options) => {
    const { output } = await convert(await checkpoint(options))
    await expectSame(output, 'q8_0', options.tokenizer)
  })

  it('from weights in several files', async () => {
    const first = await checkpoint({ edit: (tensors) => tensors.slice(0, 9) })
    const second = await checkpoint({ edit: (tensors) => tensors.slice(9) })
    await rename(join(second, 'pytorch_model.bin'), join(first, 'pytorch_model-00002-of-00002.bin'))
    await rename(join(first, 'pytorch_model.bin'), join(first, 'pytorch_model-00001-of-00002.bin'))
    const index = {
      weight_map: { a: 'pytorch_model-00002-of-00002.bin', b: 'pytorch_model-00001-of-00002.bin' },
    }
    await writeFile(join(first, 'pytorch_model.bin.index.json'), JSON.stringify(index))
    const { output } = await convert(first)
    await expectSame(output, 'q8_0')
  })

  it('the same bytes every time, with progress', async () => {
    const source = await checkpoint()
    const seen: number[] = []
    const onProgress = ({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }) => {
      seen.push(doneBytes / totalBytes)
    }
    const one = await readFile((await convert(source, { name: 'x', onProgress })).output)
    const two = await readFile((await convert(source, { name: 'x' })).output)
    expect(one.equals(two)).toBe(true)
    expect(seen.at(-1)).toBe(1)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
  })
})

describe('heads', () => {
  it('may be missing, be left out, or be elsewhere', async () => {
    const plain = await checkpoint({ heads: false })
    expect((await convert(plain)).heads).toEqual({ sparse: false, colbert: false })
    const full = await checkpoint()
    expect((await convert(full, { heads: false })).heads).toEqual({ sparse: false, colbert: false })
    const { output } = await convert(plain, { heads: full })
    await expectSameHeads(output, 'q8_0')
    await expect(convert(plain, { heads: plain })).rejects.toThrow(ModelNotFoundError)
  })
})

describe('what is wrong with a checkpoint is said', () => {
  const json = async (source: string, name: string, changes: object) => {
    const path = join(source, name)
    await writeFile(
      path,
      JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...changes }),
    )
  }

  it.each<[string, object, RegExp]>([
    ['another architecture', { model_type: 'mpnet' }, /xlm-roberta.*"mpnet"/],
    ['no architecture', { model_type: null }, /xlm-roberta/],
    ['another activation', { hidden_act: 'relu' }, /hidden_act/],
    ['other positions', { position_embedding_type: 'relative_key' }, /position_embedding_type/],
    ['no layers', { num_hidden_layers: 0 }, /num_hidden_layers/],
    ['text for a size', { hidden_size: '64' }, /hidden_size/],
    ['absurd sizes', { intermediate_size: 1e9 }, /intermediate_size/],
    ['heads that do not divide', { num_attention_heads: 5 }, /no multiple/],
    ['no positions', { max_position_embeddings: 2 }, /positions/],
    ['an epsilon of 0', { layer_norm_eps: 0 }, /layer_norm_eps/],
    ['a layer too many', { num_hidden_layers: 3 }, /no tensor "encoder\.layer\.2\./],
    ['a layer too few', { num_hidden_layers: 1 }, /has the tensor "encoder\.layer\.1\./],
    ['another shape', { intermediate_size: 128 }, /is \d+ x 64, config.json says 128 x 64/],
  ])('config.json: %s', async (_, changes, message) => {
    const source = await checkpoint()
    await json(source, 'config.json', changes)
    await expect(convert(source)).rejects.toThrow(ModelLoadError)
    await expect(convert(source)).rejects.toThrow(message)
  })

  it('pooling', async () => {
    const source = await checkpoint()
    await json(source, '1_Pooling/config.json', {
      pooling_mode_cls_token: false,
      pooling_mode_mean_tokens: true,
    })
    const file = await GgufFile.open((await convert(source)).output)
    expect(file.number('bert.pooling_type')).toBe(1)
    await file.close()
    await json(source, '1_Pooling/config.json', { pooling_mode_mean_tokens: false })
    await expect(convert(source)).rejects.toThrow(/no pooling/)
    const type = 'sentence_transformers.models.Pooling'
    const modules = [whole[0], { type, path: '../..' }]
    await writeFile(join(source, 'modules.json'), JSON.stringify(modules))
    await expect(convert(source)).rejects.toThrow(/outside/)
    await writeFile(join(source, 'modules.json'), JSON.stringify([whole[0]]))
    await expect(convert(source)).rejects.toThrow(/no Pooling/)
    await rm(join(source, 'modules.json'))
    await expect(convert(source)).rejects.toThrow(/no pooling/)
    await rm(join(source, '1_Pooling'), { recursive: true })
    const other = await GgufFile.open((await convert(source)).output)
    expect(other.number('bert.pooling_type')).toBe(2)
    await other.close()
  })

  const pooled = async (config: object, modules?: object[]) => {
    const source = await checkpoint()
    await writeFile(join(source, '1_Pooling/config.json'), JSON.stringify(config))
    if (modules) await writeFile(join(source, 'modules.json'), JSON.stringify(modules))
    else await rm(join(source, 'modules.json'))
    const file = await GgufFile.open((await convert(source)).output)
    const type = file.number('bert.pooling_type')
    await file.close()
    return type
  }
  const flags = { word_embedding_dimension: 64, pooling_mode_max_tokens: false }
  const PLACE = 'sentence_transformers.models.'
  const whole = [
    { idx: 0, name: '0', path: '', type: `${PLACE}Transformer` },
    { idx: 1, name: '1', path: '1_Pooling', type: `${PLACE}Pooling` },
    { idx: 2, name: '2', path: '2_Normalize', type: `${PLACE}Normalize` },
  ]

  it('pooling as every version of sentence-transformers writes it, with and without modules.json', async () => {
    for (const modules of [undefined, whole]) {
      expect(await pooled({ ...flags, pooling_mode_mean_tokens: true }, modules)).toBe(1)
      expect(await pooled({ ...flags, pooling_mode_cls_token: true }, modules)).toBe(2)
      // 5.4 and later
      const fresh = { embedding_dimension: 64, include_prompt: true }
      expect(await pooled({ ...fresh, pooling_mode: 'cls' }, modules)).toBe(2)
      expect(await pooled({ ...fresh, pooling_mode: 'mean' }, modules)).toBe(1)
    }
  })

  it.each<[string, object, object[] | undefined, RegExp]>([
    ['another mode', { pooling_mode: 'attention' }, undefined, /says attention/],
    ['one mode twice', { pooling_mode: ['cls', 'cls'] }, undefined, /one twice/],
    ['a key from the future', { pooling_mode: 'cls', layers: 2 }, undefined, /"layers"/],
    [
      'a module that we have not',
      { pooling_mode: 'cls' },
      [...whole, { path: '3_LSTM', type: `${PLACE}LSTM` }],
      /module 4 \(LSTM\)/,
    ],
    [
      'a class of the model itself',
      { pooling_mode: 'cls' },
      [{ path: '', type: 'custom.Transformer' }, ...whole.slice(1)],
      /module 1 \(custom.Transformer\)/,
    ],
    ['two poolings', { pooling_mode: 'cls' }, [...whole, whole[1] as object], /module 4 \(Pooling/],
    ['another width', { pooling_mode: 'cls', embedding_dimension: 7 }, undefined, /embedding_dim/],
    ['a module without a type', { pooling_mode: 'cls' }, [{}], /module 1 \(without a type/],
  ])('what it does not understand: %s', async (_, config, modules, message) => {
    await expect(pooled(config, modules)).rejects.toThrow(ModelLoadError)
    await expect(pooled(config, modules)).rejects.toThrow(message)
  })

  it.each([
    ['sentence_bert_config.json', { max_seq_length: 8192, do_lower_case: true }, /do_lower_case/],
    ['config_sentence_transformers.json', { default_prompt_name: 'query' }, /default_prompt_name/],
  ])('texts that are changed: %s', async (name, config, message) => {
    const source = await checkpoint()
    await writeFile(join(source, name), JSON.stringify(config))
    await expect(convert(source)).rejects.toThrow(message)
  })

  it('files that are missing or no JSON', async () => {
    for (const name of ['config.json', 'pytorch_model.bin', 'sentencepiece.bpe.model']) {
      const source = await checkpoint()
      await rm(join(source, name))
      await expect(convert(source), name).rejects.toThrow(ModelNotFoundError)
    }
    await expect(convert(at('nowhere'))).rejects.toThrow(ModelNotFoundError)
    const source = await checkpoint()
    await writeFile(join(source, 'config.json'), '{"secret')
    await expect(convert(source)).rejects.toThrow(/config\.json is not valid JSON/)
    await writeFile(join(source, 'config.json'), '[]')
    await expect(convert(source)).rejects.toThrow(/not a JSON object/)
  })

  const edited = (name: string, change: (tensor: WritableTensor) => WritableTensor[]) =>
    checkpoint({ edit: (tensors) => tensors.flatMap((t) => (t.name === name ? change(t) : [t])) })

  it('tensors: values that are not finite, or beyond float16', async () => {
    const name = 'encoder.layer.1.output.dense.weight'
    const filled = (value: number) =>
      edited(name, (tensor) => {
        const values = new Float32Array(tensor.shape.reduce((a, b) => a * b))
        values[7] = value
        return [{ ...tensor, chunks: () => [bytesOf(values)] }]
      })
    const broken = await filled(Number.NaN)
    await expect(convert(broken)).rejects.toThrow(/Element 7 of .* not finite/)
    const left = (await readdir(directory)).filter((file) =>
      file.startsWith(`${basename(broken)}.gguf`),
    )
    expect(left).toEqual([])
    const large = await filled(1e5)
    await expect(convert(large, { type: 'f16' })).rejects.toThrow(/beyond float16/)
    await convert(large, { type: 'f32' })
  })

  it('tensors: missing, twice, unknown, of integers', async () => {
    const name = 'embeddings.LayerNorm.bias'
    await expect(convert(await edited(name, () => []))).rejects.toThrow(/no tensor "embeddings/)
    const twice = await edited(name, (tensor) => [tensor, { ...tensor, name: `roberta.${name}` }])
    await expect(convert(twice)).rejects.toThrow(/twice/)
    const more = await edited(name, (tensor) => [tensor, { ...tensor, name: 'adapter.weight' }])
    await expect(convert(more)).rejects.toThrow(/"adapter\.weight": not a plain encoder/)
    const longs = await edited(name, (tensor) => [
      { ...tensor, dtype: 'I64', chunks: () => [bytesOf(new BigInt64Array(64))] },
    ])
    await expect(convert(longs)).rejects.toThrow(/I64/)
  })

  it('an index that names files elsewhere or the same tensor in two', async () => {
    const source = await checkpoint()
    await rename(join(source, 'pytorch_model.bin'), join(source, 'a.bin'))
    const index = (files: unknown) =>
      writeFile(join(source, 'pytorch_model.bin.index.json'), JSON.stringify({ weight_map: files }))
    await index({ x: '../a.bin' })
    await expect(convert(source)).rejects.toThrow(/outside/)
    await index({ x: 5 })
    await expect(convert(source)).rejects.toThrow(/outside/)
    await index(null)
    await expect(convert(source)).rejects.toThrow(/weight_map/)
    await writeFile(join(source, 'b.bin'), await readFile(join(source, 'a.bin')))
    await index({ x: 'a.bin', y: 'b.bin' })
    await expect(convert(source)).rejects.toThrow(/two files/)
  })

  it('vocabularies that do not fit', async () => {
    const source = await checkpoint()
    const model = await readFile(join(source, 'sentencepiece.bpe.model'))
    const other = Buffer.from(model)
    other.write('<xnk>', other.indexOf('<unk>'))
    await writeFile(join(source, 'sentencepiece.bpe.model'), other)
    await expect(convert(source)).rejects.toThrow(/begin with <unk>/)
    await writeFile(join(source, 'sentencepiece.bpe.model'), Buffer.concat([model, model]))
    await expect(convert(source)).rejects.toThrow(/too many/)
  })

  it('vocabularies with more rows than pieces, as padded tables have', async () => {
    const source = await checkpoint()
    const words = Array.from({ length: 9 }, (_, i) => bytes(`piece ${i}`))
    const model = sentencePieceModel({
      tokens: words,
      scores: new Float32Array(9),
      types: new Int32Array(9).fill(1),
      charsmap: new Uint8Array(0),
    })
    await writeFile(join(source, 'sentencepiece.bpe.model'), model)
    const file = await GgufFile.open((await convert(source)).output)
    expect(file.number('tokenizer.ggml.mask_token_id')).toBe(8)
    const tokens = [...((await file.strings('tokenizer.ggml.tokens')) ?? [])]
    expect(tokens.slice(6, 10)).toEqual(['piece 6', 'piece 7', '[PAD7]', '[PAD8]'])
    expect(file.keys.has('tokenizer.ggml.precompiled_charsmap')).toBe(false)
    await file.close()
  })

  it.each<[string, (json: TokenizerFile) => object, RegExp]>([
    ['another model', () => ({ model: { type: 'BPE', vocab: [] } }), /unigram/],
    ['no model', () => ({ model: 7 }), /model is not a JSON object/],
    ['another size', () => ({ model: { type: 'Unigram', vocab: [['<s>', 0]] } }), /begin with/],
    [
      'a piece without score',
      ({ model }) => ({
        model: { ...model, vocab: model.vocab.with(5, ['x']) },
      }),
      /id 5/,
    ],
    [
      'other specials',
      ({ model }) => ({
        model: { ...model, vocab: model.vocab.with(0, ['x', 0]) },
      }),
      /begin with/,
    ],
    ['an added token that is none', () => ({ added_tokens: [{ id: 9, content: 'x' }] }), /adds a/],
    ['no normaliser', () => ({ normalizer: null }), /Precompiled/],
    [
      'a damaged charsmap',
      () => ({ normalizer: { type: 'Precompiled', precompiled_charsmap: 'a' } }),
      /damaged/,
    ],
    [
      'a charsmap that is no text',
      () => ({ normalizer: { type: 'Precompiled', precompiled_charsmap: 1 } }),
      /Precompiled/,
    ],
  ])('tokenizer.json: %s', async (_, change, message) => {
    const source = await checkpoint({ tokenizer: 'json' })
    const path = join(source, 'tokenizer.json')
    const content = JSON.parse(await readFile(path, 'utf8'))
    await writeFile(path, JSON.stringify({ ...content, ...change(content) }))
    await expect(convert(source)).rejects.toThrow(ModelLoadError)
    await expect(convert(source)).rejects.toThrow(message)
  })

  it('tokenizer.json: flags of both generations', async () => {
    const source = await checkpoint({ tokenizer: 'json' })
    const path = join(source, 'tokenizer.json')
    const content = JSON.parse(await readFile(path, 'utf8'))
    const flags = async () => {
      const file = await GgufFile.open((await convert(source)).output)
      const keys = ['add_space_prefix', 'remove_extra_whitespaces']
      const values = keys.map((key) => file.boolean(`tokenizer.ggml.${key}`))
      await file.close()
      return values
    }
    expect(await flags()).toEqual([true, true])
    const preTokenizer = { type: 'Metaspace', prepend_scheme: 'never' }
    await writeFile(path, JSON.stringify({ ...content, pre_tokenizer: preTokenizer }))
    await writeFile(
      join(source, 'tokenizer_config.json'),
      JSON.stringify({ clean_up_tokenization_spaces: false }),
    )
    expect(await flags()).toEqual([false, false])
  })
})

describe('options', () => {
  it('are checked', async () => {
    const source = await checkpoint()
    await expect(convert(source, { type: 'q5_1' as 'f16' })).rejects.toThrow(InvalidInputError)
    await expect(convert(source, { output: '' })).rejects.toThrow(InvalidInputError)
    // The directory of the output is a file.
    const blocked = join(source, 'config.json', 'out.gguf')
    await expect(convert(source, { output: blocked })).rejects.toThrow(
      /cannot be written \(ENOTDIR|EEXIST\)/,
    )
  })

  it('can be aborted, before and while it writes', async () => {
    const source = await checkpoint()
    const reason = new Error('enough')
    await expect(convert(source, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const controller = new AbortController()
    const output = at('aborted.gguf')
    const promise = convert(source, {
      output,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    })
    await expect(promise).rejects.toBe(reason)
    expect((await readdir(directory)).filter((name) => name.startsWith('aborted'))).toEqual([])
  })

  it('leave what another process is writing, and remove what a dead one left', async () => {
    const source = await checkpoint()
    const dead = `${source}.gguf.tmp-4194303-abcdef01`
    const alive = `${source}.gguf.tmp-${process.ppid}-abcdef01`
    for (const path of [dead, alive]) await writeFile(path, 'half')
    await convert(source)
    const names = await readdir(directory)
    expect(names.some((name) => dead.endsWith(name))).toBe(false)
    expect(names.some((name) => alive.endsWith(name))).toBe(true)
  })
})
