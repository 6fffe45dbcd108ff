import { expect, it } from 'vitest'
import { Embedder } from '../../../../lib/embedder/embedder.js'
import { bertAgrees, xlmrAgrees } from '../../../engine/tokenizer/agreement.js'
import { standinPath } from '../../../helpers/standins.js'
import { TIMES } from '../../times.js'

xlmrAgrees(100_000 * TIMES)
bertAgrees(30_000 * TIMES)

it.each(['bge-m3', 'minilm'] as const)(
  '10 MB of the same are counted and cut: %s',
  async (arch) => {
    const m3 = await Embedder.load({
      model: await standinPath({ size: 'tiny', arch }),
      cache: false,
    })
    for (const unit of ['a', '的', '\u0301', ' ', '𓀀', '<s>', 'ab ']) {
      const text = unit.repeat(10_000_000 / Buffer.byteLength(unit))
      const count = await m3.countTokens(text)
      const { ids, truncated } = await m3.tokenize(text)
      expect({ count, truncated }).toEqual({ count: ids.length, truncated: false })
    }
    await m3.dispose()
  },
)
