/** The whole vocabulary through a checkpoint and back: the same keys byte for byte, the same embeddings. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../lib/index.js'
import { convertCheckpoint } from '../../lib/model/convert/convert.js'
import { GgufFile } from '../../lib/model/formats/gguf/reader.js'
import { standinPath } from '../helpers/standins.js'
import { mixedTexts } from '../helpers/texts.js'
import { writeCheckpoint } from './writers/checkpoint.js'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'convert-embeds-'))
})
afterAll(() => rm(directory, { recursive: true }))

async function keyBytes(path: string, key: string): Promise<Buffer> {
  const file = await GgufFile.open(path)
  const entry = await file.entry(key)
  await file.close()
  return Buffer.from(entry?.payload ?? [])
}

async function embedAll(model: string) {
  const m3 = await Embedder.load({ model, cache: false })
  try {
    const outputs = { dense: true, sparse: true, colbert: true }
    const embeddings = await m3.embed(mixedTexts(6), { outputs })
    return embeddings.map(({ dense, sparse, colbert }) => ({ dense, sparse, colbert }))
  } finally {
    await m3.dispose()
  }
}

describe.each([
  ['torch', 'sentencepiece', 'q8_0'],
  ['safetensors', 'json', 'f16'],
] as const)('%s weights with %s vocabulary, to %s', (weights, tokenizer, type) => {
  let output: string
  let standin: string
  beforeAll(async () => {
    const checkpoint = join(directory, `${weights}-${tokenizer}`)
    await writeCheckpoint(await standinPath({ size: 'tiny', type: 'f32' }), checkpoint, {
      weights,
      tokenizer,
    })
    output = join(directory, `${type}.gguf`)
    await convertCheckpoint(checkpoint, { output, type })
    standin = await standinPath({ size: 'tiny', type })
  })

  it('has the same vocabulary and charsmap', async () => {
    const keys = ['precompiled_charsmap', 'mask_token_id', 'bos_token_id', 'eos_token_id']
    // tokenizer.json names <mask>, where a SentencePiece model leaves a hole to be filled.
    if (tokenizer === 'sentencepiece') keys.push('tokens', 'scores', 'token_type')
    for (const key of keys.map((name) => `tokenizer.ggml.${name}`)) {
      const [ours, theirs] = [await keyBytes(output, key), await keyBytes(standin, key)]
      expect(theirs.length).toBeGreaterThan(0)
      expect(ours.equals(theirs), key).toBe(true)
    }
  })

  it('embeds the same, bit for bit, in all three outputs', async () => {
    const ours = await embedAll(output)
    expect(ours[0]?.sparse?.indices.length).toBeGreaterThan(0)
    expect(ours[0]?.colbert?.rows).toBeGreaterThan(1)
    expect(ours).toEqual(await embedAll(standin))
  })
})
