/** `bge-m3 embed`: input -> windows -> engine -> output, with back-pressure all along. */

import { chunkSize } from '../../../chunking/parts.js'
import { EmbedderError } from '../../../common/errors.js'
import { performance } from '../../../common/timers.js'
import type { EmbedOptions, Outputs, Precision } from '../../../common/types.js'
import { unsoundness } from '../../../embedder/documents/embedded-chunk.js'
import { scoreVector } from '../../../embedder/documents/quality.js'
import type { Embedder } from '../../../embedder/embedder.js'
import { chunkItems } from '../../../integrations/files/chunk-items.js'
import { type InputItem, isText } from '../../../integrations/files/items.js'
import type { Input } from '../../../integrations/files/source.js'
import { cuttingOf } from '../shared/cutting.js'
import { EXIT, UsageError } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import { openEmbedder } from '../shared/load.js'
import { type Flags, optionValues, outputsOf } from '../shared/options.js'
import { mapAhead, windows } from '../shared/pipeline.js'
import { present } from '../shared/present.js'
import { NO_BAR, type ProgressBar, progressBar } from '../shared/progress-bar.js'
import { renamed } from '../shared/renamed.js'
import { describeModel, openRunRecord, RunRecorder, writeRunRecord } from '../shared/run-record.js'
import { checkTarget } from '../shared/sink.js'
import { openTexts } from '../shared/texts.js'
import { packageVersion } from '../shared/version.js'
import { checkHeader, headerOf, type OutputHeader, writeHeader } from './header.js'
import {
  checkOutput,
  type EmbeddingOutput,
  type OutputOptions,
  openOutput,
  type Result,
} from './output.js'
import { type Resumed, resumeOutput } from './resume.js'

/**
 * Small windows, several at a time: the engine (two batches of 512 tokens) never waits, results come
 * out as they are made, little is lost by Ctrl-C, and multi-vectors of all that is under way take
 * some 30 MB.
 */
const WINDOW = { items: 64, units: 2048 }
const WINDOWS_AHEAD = 4

export async function runEmbed(io: CliIo, texts: readonly string[], flags: Flags): Promise<number> {
  const values = optionValues(flags, io.env)
  const outputs = outputsOf(flags, values)
  const own = flags as unknown as EmbedFlags
  const { input: inputFile, output: file, format, stats, resume = false } = own
  const precision = values.precision ?? 'float32'
  const cutting = cuttingOf(flags)
  const minQuality = Number(own.minQuality ?? 0)
  if (!(minQuality >= 0 && minQuality <= 1)) {
    throw new UsageError('--min-quality takes a number from 0 to 1.')
  }
  const hasFields = cutting !== undefined || own.fields === true
  const target = { format, file, input: inputFile, outputs, precision, resume, hasFields }
  await checkOutput(target)
  await checkTarget(stats)

  const input = await openTexts(io, texts, flags, { keepFields: own.fields === true })
  try {
    const from = performance.now()
    const embedder = await openEmbedder(io, values)
    const loadMs = performance.now() - from
    try {
      const { maxTokens, truncate, dimensions, normalize, prompt } = values
      const options = {
        ...present({ maxTokens, truncate, dimensions, normalize, prompt }),
        outputs,
        precision,
      }
      const width = dimensions ?? embedder.info.dimensions
      const items = cutting
        ? chunkItems(input.items, {
            tokenizer: embedder,
            signal: io.signal,
            maxTokens: chunkSize(embedder.info.maxTokens),
            ...cutting,
          })
        : input.items
      const run: Run = {
        io,
        embedder,
        input,
        items,
        options,
        target: { ...target, width },
        stats,
        minQuality,
        header: own.header
          ? headerOf(embedder.info, { ...options, ...present({ cutting }) }, packageVersion())
          : undefined,
        loadMs,
      }
      return await embedAll(run)
    } finally {
      await embedder.dispose()
    }
  } finally {
    await input.close()
  }
}

interface EmbedFlags {
  input?: string
  output?: string
  format: 'jsonl' | 'npy'
  stats?: string
  resume?: boolean
  fields?: boolean
  minQuality?: string
  header: boolean
}

interface Run {
  io: CliIo
  embedder: Embedder
  input: Input
  /** Of the input, or their chunks. */
  items: AsyncIterable<InputItem[]>
  options: CallOptions
  target: OutputOptions
  stats: string | undefined
  minQuality: number
  /** What is written beside the output, if anything. */
  header: OutputHeader | undefined
  /** Milliseconds that loading the model took. */
  loadMs: number
}

type CallOptions = Omit<EmbedOptions, 'onError'> & { precision: Precision; outputs: Outputs }

async function embedAll(run: Run): Promise<number> {
  const { io, embedder, items, options, target } = run
  // An option that this model cannot serve is found before the output's file is emptied.
  await embedder.embed([], options)
  const resumed = target.resume ? await resume(run) : undefined
  if (run.stats !== undefined) await openRunRecord(run.stats)
  const output = await openOutput(io, target, resumed)
  if (run.header && isFile(target.file)) await writeHeader(io, target.file, run.header)
  const recorder = new RunRecorder()
  const bar = barFor(run)
  const finish = async (interrupted: boolean) => {
    bar.stop()
    recorder.stop()
    await output.close()
    await writeStats(run, recorder, interrupted, resumed?.texts ?? 0)
  }
  try {
    await pump(run, resumed?.items ?? items, { output, recorder, bar })
  } catch (error) {
    // What is there is kept, and the first error is the one to tell.
    await finish(true).catch(() => {})
    throw error
  }
  await finish(false)
  // the file is what counts, whichever run wrote it
  const failures = recorder.failures + (resumed?.failures ?? 0)
  if (failures === 0) return EXIT.done
  say(io, `${failures} of ${recorder.texts + (resumed?.texts ?? 0)} texts failed.`)
  return EXIT.failed
}

const isFile = (file: string | undefined): file is string => file !== undefined && file !== '-'

async function resume(run: Run): Promise<Resumed> {
  const { io, items: all, target } = run
  if (isFile(target.file)) await checkHeader(target.file, run.embedder.info)
  const resumed = await resumeOutput(target, all, (items) => embedWindow(run, items))
  if (resumed.texts > 0) say(io, `${target.file} has ${resumed.texts} texts already.`)
  return resumed
}

async function pump(
  run: Run,
  items: AsyncIterable<InputItem[]>,
  to: { output: EmbeddingOutput; recorder: RunRecorder; bar: ProgressBar },
): Promise<void> {
  const { output, recorder, bar } = to
  const { input } = run
  const inBytes = input.size !== undefined && 'bytes' in input.size
  const work = (window: InputItem[]) => embedWindow(run, window)
  for await (const done of mapAhead(windows(items, WINDOW), WINDOWS_AHEAD, work)) {
    for (const { item, result } of done) {
      await output.write(item, result)
      recorder.add(result)
      bar.update(inBytes ? item.end : recorder.texts, rateNote(recorder))
    }
  }
}

/** A result for every item of a window; places where no text could be read keep their error. */
async function embedWindow(
  { embedder, options, minQuality, io: { signal } }: Run,
  window: readonly InputItem[],
): Promise<{ item: InputItem; result: Result }[]> {
  const texts = window.filter(isText)
  const results = await embedder.embed(
    texts.map((item) => item.text),
    { ...options, signal, onError: 'collect' },
  )
  const score = scoreVector(options.normalize ?? true)
  let next = 0
  return window.map((item) => {
    if (!isText(item)) return { item, result: item.error }
    const made = results[next++] as Result
    const dense = made instanceof EmbedderError || minQuality === 0 ? undefined : made.dense
    const result = (dense && unsoundness(score(dense), minQuality)) ?? made
    return {
      item,
      result:
        result instanceof EmbedderError ? renamed(result, `text at index ${item.index}`) : result,
    }
  })
}

function barFor({ io, input, target }: Run): ProgressBar {
  const { size } = input
  // Arguments are few, and lines and a bar on one terminal make a mess.
  const isShort = size !== undefined && 'texts' in size
  if (isShort || (target.file === undefined && io.stdout.isTTY)) return NO_BAR
  return progressBar(io, { label: 'embed', total: size?.bytes })
}

function rateNote({ texts, tokens, seconds }: RunRecorder): string {
  return `${texts} texts, ${Math.round(tokens / Math.max(seconds, 1e-3))} tokens/s`
}

async function writeStats(
  run: Run,
  recorder: RunRecorder,
  interrupted: boolean,
  skipped: number,
): Promise<void> {
  if (run.stats === undefined) return
  const { embedder, loadMs } = run
  const { retries, computeMs } = embedder.stats()
  const { model, threads } = describeModel(embedder)
  const about = { command: 'embed', interrupted, loadMs, skipped, retries, model }
  const record = recorder.finish({ ...about, options: { ...run.options, threads } }, computeMs)
  await writeRunRecord(run.stats, record)
}
