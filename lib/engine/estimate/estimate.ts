/** What embedding texts will take: time and memory, before it is done. */
import { EmbedderError, InvalidInputError } from '../../common/errors.js'
import type { Estimate, Outputs, Precision } from '../../common/types.js'
import { Output } from '../../native/addon.js'
import type { CostModel } from './cost-model.js'

/** Bytes of a component. */
const BYTES: Record<Precision, number> = { float32: 4, float16: 2, int8: 1, binary: 1 / 8 }
/** What an embedding takes beside its numbers. */
const OBJECT_BYTES = 700
/** Batches with the engine at a time, whose raw results exist beside the finished ones. */
const IN_FLIGHT = 2
/** Seconds per text for what JavaScript does with it; small, but so is a tiny model. */
const SECONDS_A_TEXT = 20e-6

export interface EstimateDeps {
  /** Taught by `calibrate`, `loadCosts` or the scheduler. */
  costs: CostModel
  /** Tokens per text, `<s>` and `</s>` included, or what is wrong with that text. */
  countTokens(texts: readonly unknown[]): Promise<readonly (number | EmbedderError)[]>
  call: {
    outputs: Required<Outputs>
    precision: Precision
    /** Of the dense vectors asked for. */
    dimensions: number
    /** The most tokens of a text. */
    maxTokens: number
    truncate: 'error' | 'end'
  }
  /** Width of the model's states. */
  dim: number
  packing: {
    batchTokens: number
    /** 1 where texts are not packed. */
    maxTexts?: number
  }
  memory: {
    /** Resident now. */
    residentBytes: number
    /** Weights that are not resident yet. */
    weightBytesToRead: number
    /** What the context takes now. */
    contextBytes: number
    /** What it takes once a batch of so many tokens ran. */
    contextBytesFor(tokens: number): number
  }
}

/**
 * Estimates `embed(texts)`. Identical texts are computed once, texts that would be refused are left
 * out, and caches are not looked at. Other callers are thought of as being as busy as of late.
 *
 * @throws InvalidInputError for what is no array
 */
export async function estimate(texts: readonly unknown[], deps: EstimateDeps): Promise<Estimate> {
  if (!Array.isArray(texts)) throw new InvalidInputError('estimate takes an array of texts.')
  const started = performance.now()
  const counted = await deps.countTokens(texts)
  // embed does the same work before it computes
  const tokenizeSeconds = (performance.now() - started) / 1000
  const lengths = lengthsOf(texts, counted, deps.call)
  const { batches, seconds } = deps.costs.predict(lengths.distinct, {
    ...deps.packing,
    outputs: outputBits(deps.call.outputs),
  })
  return {
    tokens: sum(lengths.all),
    batches,
    seconds: seconds + tokenizeSeconds + lengths.all.length * SECONDS_A_TEXT,
    peakBytes: Math.round(peakBytes(lengths, deps)),
  }
}

interface Lengths {
  all: number[]
  /** Of one of each text. */
  distinct: number[]
}

function lengthsOf(
  texts: readonly unknown[],
  counted: readonly (number | EmbedderError)[],
  { maxTokens, truncate }: EstimateDeps['call'],
): Lengths {
  const all: number[] = []
  const distinct: number[] = []
  const seen = new Set<unknown>()
  counted.forEach((count, i) => {
    if (count instanceof EmbedderError || (count > maxTokens && truncate === 'error')) return
    const length = Math.min(count, maxTokens)
    all.push(length)
    if (!seen.has(texts[i])) distinct.push(length)
    seen.add(texts[i])
  })
  return { all, distinct }
}

/** Resident now + weights to be read + growth of the context + results, of which none leaves early. */
function peakBytes(
  { all, distinct }: Lengths,
  { memory, packing, call, dim }: EstimateDeps,
): number {
  const { outputs, precision, dimensions } = call
  const tokens = sum(all)
  let longest = 0
  for (const length of distinct) longest = Math.max(longest, length)
  const batch = Math.max(longest, Math.min(packing.batchTokens, sum(distinct)))
  const context = Math.max(0, memory.contextBytesFor(batch) - memory.contextBytes)
  const width = dimensions * BYTES[precision]
  let results = all.length * (OBJECT_BYTES + (outputs.dense ? width : 0)) + tokens * 4
  if (outputs.sparse) results += tokens * 8
  if (outputs.colbert) results += tokens * width
  const raw = dim * 4 * (outputs.colbert ? batch : Math.min(128, all.length))
  const needed = all.length === 0 ? 0 : context + results + IN_FLIGHT * raw
  return memory.residentBytes + memory.weightBytesToRead + needed
}

function outputBits({ sparse, colbert }: Required<Outputs>): number {
  return Output.dense | (sparse ? Output.sparse : 0) | (colbert ? Output.colbert : 0)
}

function sum(values: readonly number[]): number {
  let total = 0
  for (const value of values) total += value
  return total
}
