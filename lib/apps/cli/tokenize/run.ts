/** `bge-m3 tokenize`: a line of token ids per text. */

import { EmbedderError } from '../../../common/errors.js'
import type { TokenizeOptions, TokenizeResult } from '../../../common/types.js'
import type { Tokenizer } from '../../../embedder/tokenizer.js'
import { type InputItem, isText } from '../../../integrations/files/items.js'
import { errorLine, idJson } from '../../../integrations/files/jsonl-output.js'
import { EXIT } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import { openTokenizer } from '../shared/load.js'
import { type Flags, optionValues } from '../shared/options.js'
import { mapAhead, windows } from '../shared/pipeline.js'
import { present } from '../shared/present.js'
import { renamed } from '../shared/renamed.js'
import { checkTarget, openOutputSink } from '../shared/sink.js'
import { openTexts } from '../shared/texts.js'

const WINDOW = { items: 64, units: 1 << 20 }
const WINDOWS_AHEAD = 2

export async function runTokenize(
  io: CliIo,
  texts: readonly string[],
  flags: Flags,
): Promise<number> {
  const values = optionValues(flags, io.env)
  const {
    input: inputFile,
    output,
    pieces,
  } = flags as {
    input?: string
    output?: string
    pieces?: boolean
  }
  await checkTarget(output)
  const input = await openTexts(io, texts, flags)
  try {
    const tokenizer = await openTokenizer(io, values)
    try {
      const { truncate } = values
      // To cut without a number is to cut where the model does.
      const limit = truncate === 'end' ? tokenizer.info.maxTokens : undefined
      const options = present({ truncate, maxTokens: values.maxTokens ?? limit, pieces })
      const sink = await openOutputSink(io, output, inputFile)
      let count = 0
      let failures = 0
      const work = (window: InputItem[]) =>
        Promise.all(window.map((item) => tokenizeItem(tokenizer, item, options)))
      try {
        for await (const done of mapAhead(windows(input.items, WINDOW), WINDOWS_AHEAD, work)) {
          for (const { item, result } of done) {
            count++
            if (result instanceof EmbedderError) failures++
            await sink.write(lineOf(item, result))
          }
        }
      } finally {
        await sink.close()
      }
      if (failures === 0) return EXIT.done
      say(io, `${failures} of ${count} texts failed.`)
      return EXIT.failed
    } finally {
      await tokenizer.dispose()
    }
  } finally {
    await input.close()
  }
}

interface Tokenized {
  item: InputItem
  result: TokenizeResult | EmbedderError
}

async function tokenizeItem(
  tokenizer: Tokenizer,
  item: InputItem,
  options: TokenizeOptions,
): Promise<Tokenized> {
  if (!isText(item)) return { item, result: item.error }
  try {
    return { item, result: await tokenizer.tokenize(item.text, options) }
  } catch (error) {
    if (!(error instanceof EmbedderError)) throw error
    return { item, result: renamed(error, `text at index ${item.index}`) }
  }
}

function lineOf({ id }: InputItem, result: Tokenized['result']): string {
  if (result instanceof EmbedderError) return errorLine(id, result)
  const { ids, truncated, pieces } = result
  const tokens = pieces?.map(({ piece, start, end }) => ({ piece, start, end }))
  const more = tokens ? `,"pieces":${JSON.stringify(tokens)}` : ''
  return `{"id":${idJson(id)},"ids":[${ids.join()}]${more},"truncated":${truncated}}\n`
}
