/** What a call will take here and now. */

import { InvalidInputError } from '../common/errors.js'
import { performance } from '../common/timers.js'
import type { Estimate } from '../common/types.js'
import type { Engine } from '../engine/engine.js'
import { calibrate } from '../engine/estimate/calibrate.js'
import { lengthsOf, packed, resultBytes } from '../engine/estimate/estimate.js'
import { sum } from '../engine/estimate/rates.js'
import { MAX_TEXTS } from '../engine/scheduler/scheduler.js'
import { countAll } from '../engine/tokenize.js'
import { promptText } from '../model/prompts.js'
import { loadAddon } from '../native/load.js'
import { type CallOptions, checkAgainstModel, outputBits } from './call/call-options.js'
import { withPrompt } from './call/with-prompt.js'

/** Milliseconds per text for what JavaScript does with it; small, but so is a tiny model. */
const MS_A_TEXT = 0.02

/**
 * Estimates `embed(texts)`; caches are not looked at. Where nothing like it ran yet, a few batches
 * are measured (two seconds at most or so). Others are thought of as being as busy as of late.
 *
 * @throws InvalidInputError for what is no array
 */
export async function estimateCall(
  engine: Engine,
  texts: readonly unknown[],
  call: CallOptions,
): Promise<Estimate> {
  if (!Array.isArray(texts)) throw new InvalidInputError('estimate takes an array of texts.')
  const { rates, session, scheduler, tokenizer, info, prepared } = engine
  checkAgainstModel(call, engine)
  const { denseDim: dim } = info
  const { colbertDim } = prepared
  const { signal, dimensions = dim } = call
  const maxTokens = Math.min(call.maxTokens ?? Number.POSITIVE_INFINITY, engine.maxTokens)
  const outputs = outputBits(call.outputs)
  const started = performance.now()
  const prompted = withPrompt(texts, promptText(prepared.prompts, call.prompt))
  const counted = await countAll(tokenizer, prompted, false, { signal })
  // embed does the same work before it computes
  const tokenizeMs = performance.now() - started
  const { all, distinct } = lengthsOf(texts, counted, { ...call, maxTokens })
  // llama.cpp's other kernels take a text at a time
  const maxTexts = info.packsExactly ? MAX_TEXTS : 1
  const pack = () => packed(distinct, { batchTokens: scheduler.batchTokens, maxTexts })
  if (!rates.covers(pack(), outputs)) {
    const run = (lengths: readonly number[]) => runSynthetic(engine, lengths, outputs)
    await calibrate(rates, run, { outputs, maxTokens, signal })
  }
  const batches = pack()
  const largest = batches.reduce((most, lengths) => Math.max(most, sum(lengths)), 0)
  const growth = session.contextBytes(largest) - session.stats().contextBytes
  const widths = { dim, dimensions, colbertDim }
  const needed = Math.max(0, growth) + resultBytes(all, largest, { ...call, ...widths })
  const ms = rates.predict(batches, outputs) + tokenizeMs + all.length * MS_A_TEXT
  return {
    tokens: sum(all),
    batches: batches.length,
    seconds: ms / 1000,
    peakBytes: Math.round(loadAddon().machine().residentMemory + (all.length > 0 ? needed : 0)),
  }
}

/** Embeds made-up texts of such lengths. */
async function runSynthetic(
  { scheduler, info, tokenizer }: Engine,
  lengths: readonly number[],
  outputs: number,
): Promise<void> {
  const { ids: frame } = await tokenizer.tokenize([''], 0, 1)
  const job = scheduler.open({ outputs, priority: 'interactive', onOutcome: () => {} })
  lengths.forEach((length, text) => {
    const ids = Int32Array.from({ length }, () => Math.floor(Math.random() * info.vocabSize))
    ids[0] = frame[0] as number
    ids[length - 1] = frame[1] as number
    scheduler.add(job, text, ids)
  })
  scheduler.start(job)
  await job.end()
}
