/** `bge-m3 queue add`: input to jobs. */

import { basename } from 'node:path'
import { type InputItem, isText } from '../../../integrations/files/items.js'
import type { CorpusItem } from '../../../integrations/queue/cut.js'
import { type EnqueueResult, enqueue } from '../../../integrations/queue/enqueue.js'
import { cuttingOf } from '../shared/cutting.js'
import { EXIT } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import { openTokenizer } from '../shared/load.js'
import { type Flags, optionValues } from '../shared/options.js'
import { present } from '../shared/present.js'
import { NO_BAR, progressBar } from '../shared/progress-bar.js'
import { Sink } from '../shared/sink.js'
import { openTexts } from '../shared/texts.js'
import { queueAddress } from './address.js'

interface AddFlags {
  input?: string
  jobTokens?: number
  maxWaiting?: number
  attempts?: number
  corpus?: string
  json?: boolean
}

export async function runQueueAdd(
  io: CliIo,
  texts: readonly string[],
  flags: Flags,
): Promise<number> {
  const values = optionValues(flags, io.env)
  const own = flags as AddFlags
  const { jobTokens, maxWaiting, attempts } = own
  const input = await openTexts(io, texts, flags)
  try {
    const tokenizer = await openTokenizer(io, values)
    try {
      const total = input.size !== undefined && 'bytes' in input.size ? input.size.bytes : undefined
      const bar = own.json ? NO_BAR : progressBar(io, { label: 'queue', total })
      const reading = { bytes: 0 }
      const result = await enqueue(tokenizer, corpusOf(input.items, reading), {
        ...queueAddress(io, flags),
        ...present({ jobTokens, maxWaiting, attempts, chunk: cuttingOf(flags) }),
        maxTokens: values.maxTokens ?? tokenizer.info.maxTokens,
        corpus: own.corpus ?? (own.input ? basename(own.input) : 'stdin'),
        signal: io.signal,
        onProgress: ({ items, jobs }) =>
          bar.update(total === undefined ? items : reading.bytes, `${items} texts, ${jobs} jobs`),
      }).finally(() => bar.stop())
      await report(io, result, own.json ?? false)
      return result.failed > 0 ? EXIT.failed : EXIT.done
    } finally {
      await tokenizer.dispose()
    }
  } finally {
    await input.close()
  }
}

/** Ids are strings in a queue: a number is one by its digits. */
async function* corpusOf(
  groups: AsyncIterable<InputItem[]>,
  reading: { bytes: number },
): AsyncGenerator<CorpusItem> {
  for await (const group of groups) {
    for (const item of group) {
      reading.bytes = item.end
      const id = String(item.id)
      yield isText(item) ? { id, text: item.text } : { id, error: item.error }
    }
  }
}

async function report(io: CliIo, result: EnqueueResult, json: boolean): Promise<void> {
  const sink = Sink.stdout(io)
  if (json) {
    await sink.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { items, tokens, jobs, newJobs, failed, failures } = result
  const known = newJobs < jobs ? ` (${jobs - newJobs} known already)` : ''
  await sink.write(
    `${items} texts, ${tokens} tokens in ${jobs} jobs${known}${failed > 0 ? `; ${failed} failed` : ''}\n`,
  )
  for (const { id, code } of failures.slice(0, 20)) say(io, `text ${id}: ${code}`)
  if (failed > 20) say(io, `and ${failed - 20} more`)
}
