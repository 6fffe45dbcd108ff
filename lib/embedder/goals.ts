/** `optimizeFor`: goals in units, settings that were measured, and which goals they meet. */

import { InvalidInputError } from '../common/errors.js'
import { checkObject, refuseUnknown } from '../common/given.js'
import { performance } from '../common/timers.js'
import type { EmbedderInfo, GoalReading, Goals, Plan } from '../common/types.js'
import type { Engine } from '../engine/engine.js'
import { size } from '../options/kinds.js'
import type { LoadOptions } from '../options/types.js'
import { someTokens } from './some-tokens.js'

/** Budgets that are tried, in tokens. */
const BUDGETS = [1024, 512, 256, 128, 64]
/** A query, and a text of a corpus: what goals are about, in tokens. */
const TEXT_TOKENS = 64
/** What is measured, in texts of a query's length: one, and a batch. */
const BATCH = 4
const ROUNDS = 3

export interface CheckedGoals {
  /** Bytes. */
  memory: number | undefined
  latencyMs: number | undefined
  textsPerSecond: number | undefined
}

/** @throws InvalidInputError */
export function checkGoals({ optimizeFor: goals, lazy }: LoadOptions): CheckedGoals | undefined {
  if (goals === undefined) return undefined
  checkObject(goals, 'The option `optimizeFor`')
  refuseUnknown(goals, ['memory', 'latencyMs', 'textsPerSecond'], 'optimizeFor')
  if (lazy) throw new InvalidInputError('`optimizeFor` measures the model, so it cannot be `lazy`.')
  const { memory, latencyMs, textsPerSecond } = goals as Goals
  for (const [name, value] of Object.entries({ latencyMs, textsPerSecond })) {
    if (value === undefined || (Number.isFinite(value) && value > 0)) continue
    throw new InvalidInputError(`\`optimizeFor.${name}\` must be a number above 0.`)
  }
  const kind = size(1)
  const bytes = memory === undefined ? undefined : kind.check(memory)
  if (memory !== undefined && bytes === undefined) {
    throw new InvalidInputError(`\`optimizeFor.memory\` must be ${kind.allowed}.`)
  }
  return { memory: bytes, latencyMs, textsPerSecond }
}

/** Milliseconds of a batch, by its tokens: a line through two points. */
export interface Speed {
  baseMs: number
  msPerToken: number
}

/** @param run embeds texts of tokens, not through the cache */
export async function measureSpeed(
  run: (texts: Uint32Array[]) => Promise<unknown>,
  { vocabSize }: Pick<EmbedderInfo, 'vocabSize'>,
): Promise<Speed> {
  let seed = 0
  const text = () => someTokens(TEXT_TOKENS, seed++, vocabSize)
  const time = async (texts: number) => {
    const input = Array.from({ length: texts }, text)
    const from = performance.now()
    await run(input)
    return performance.now() - from
  }
  await time(1)
  // the quickest is what the machine can do; what is slower was somebody else's
  let [one, many] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let round = 0; round < ROUNDS; round++) {
    one = Math.min(one, await time(1))
    many = Math.min(many, await time(BATCH))
  }
  const msPerToken = Math.max((many - one) / ((BATCH - 1) * TEXT_TOKENS), 1e-6)
  return { baseMs: Math.max(0, one - msPerToken * TEXT_TOKENS), msPerToken }
}

/**
 * The largest budget that keeps memory and latency, for it is the quickest; where none does, the smallest.
 *
 * @param given the user's own settings, which stay
 */
export function planFor(
  goals: CheckedGoals,
  speed: Speed,
  engine: Pick<Engine, 'memory'>,
  given: Pick<LoadOptions, 'batchTokens'>,
): Plan {
  const budgets = given.batchTokens === undefined ? BUDGETS : [given.batchTokens]
  const readings = budgets.map((batchTokens) => {
    const batchMs = speed.baseMs + speed.msPerToken * batchTokens
    // who comes waits for the batch that runs, at worst all of it
    const latencyMs = batchMs + speed.baseMs + speed.msPerToken * TEXT_TOKENS
    const textsPerSecond = (1000 / batchMs) * (batchTokens / TEXT_TOKENS)
    return { batchTokens, memory: engine.memory.needs(batchTokens), latencyMs, textsPerSecond }
  })
  const keeps = ({ memory, latencyMs }: (typeof readings)[number]) =>
    memory <= (goals.memory ?? Number.POSITIVE_INFINITY) &&
    latencyMs <= (goals.latencyMs ?? Number.POSITIVE_INFINITY)
  const chosen = readings.find(keeps) ?? (readings.at(-1) as (typeof readings)[number])
  const upTo = (wanted: number, expected: number): GoalReading => ({
    wanted,
    expected,
    met: expected <= wanted,
  })
  const { batchTokens, memory, latencyMs, textsPerSecond } = chosen
  return {
    batchTokens,
    goals: {
      ...(goals.memory !== undefined && { memory: upTo(goals.memory, memory) }),
      ...(goals.latencyMs !== undefined && { latencyMs: upTo(goals.latencyMs, latencyMs) }),
      ...(goals.textsPerSecond !== undefined && {
        textsPerSecond: {
          wanted: goals.textsPerSecond,
          expected: textsPerSecond,
          met: textsPerSecond >= goals.textsPerSecond,
        },
      }),
    },
  }
}
