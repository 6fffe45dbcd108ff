/** `bge-m3 chunk`: a line per chunk. */

import { chunkSize } from '../../../chunking/parts.js'
import { chunkItems } from '../../../integrations/files/chunk-items.js'
import { type InputItem, isText } from '../../../integrations/files/items.js'
import { errorLine, recordLine } from '../../../integrations/files/jsonl-output.js'
import { EXIT } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import { openTokenizer } from '../shared/load.js'
import { type Flags, optionValues } from '../shared/options.js'
import { present } from '../shared/present.js'
import { renamed } from '../shared/renamed.js'
import { checkTarget, openOutputSink } from '../shared/sink.js'
import { openTexts } from '../shared/texts.js'

interface ChunkFlags {
  input?: string
  output?: string
  maxTokens?: number
  overlap?: number
  fields?: boolean
}

export async function runChunk(io: CliIo, texts: readonly string[], flags: Flags): Promise<number> {
  const { input: file, output, overlap, fields = false }: ChunkFlags = flags
  // its --max-tokens is the size of a chunk, not the limit of a text
  const { maxTokens: size, ...others } = flags as ChunkFlags
  const values = optionValues(others, io.env)
  await checkTarget(output)
  const input = await openTexts(io, texts, flags, { keepFields: fields })
  try {
    const tokenizer = await openTokenizer(io, values)
    try {
      const { signal } = io
      const maxTokens = size ?? chunkSize(tokenizer.info.maxTokens)
      const cutting = { tokenizer, signal, maxTokens, ...present({ overlap }) }
      const sink = await openOutputSink(io, output, file)
      let failures = 0
      try {
        for await (const group of chunkItems(input.items, cutting)) {
          for (const item of group) {
            if (!isText(item)) failures++
            await sink.write(lineOf(item))
          }
        }
      } finally {
        await sink.close()
      }
      if (failures === 0) return EXIT.done
      say(io, failures === 1 ? 'A text could not be cut.' : `${failures} texts could not be cut.`)
      return EXIT.failed
    } finally {
      await tokenizer.dispose()
    }
  } finally {
    await input.close()
  }
}

function lineOf(item: InputItem): string {
  if (!isText(item)) return errorLine(item.id, renamed(item.error, `text at index ${item.index}`))
  const { id, text, tokenCount, fields } = item
  return recordLine({ id, ...fields, tokenCount, text })
}
