/**
 * The memory that this embedder may take: weights, context, cache, and the results and token ids of
 * calls under way. A call is let in when all that it will hold fits beside what others hold, and waits
 * until then; what can never fit is refused by name.
 */
import type { AbortSignalLike } from '../common/abort.js'
import { Admission, type Room } from '../common/admission.js'
import { MemoryLimitError } from '../common/errors.js'
import { formatSize } from '../common/units.js'

/** JavaScript's heap, the code, threads' stacks: about what an idle embedder takes beside its weights. */
const OVERHEAD = 64_000_000
/** Results exist twice for a moment: as the engine gave them and as the caller gets them. */
const COPIES = 1.5

export interface MemoryNeeds {
  /** Bytes of results and token ids that exist until the call resolves. */
  results: number
  /** Tokens of its longest text. */
  longest: number
}

export interface MemoryOptions {
  limit: number
  /** Whether nobody named the limit, and it is what the container leaves. */
  isContained?: boolean | undefined
  weights: number
  /** Most that the memory cache takes. */
  cache: number
  /** Tokens of an ordinary batch. */
  batchTokens: number
  contextBytes(tokens: number): number
}

interface Admitted {
  results: number
  context: number
}

/**
 * Refuses a file before a byte of it is read: in a small container reading it would be the end of the process.
 * A tenth is allowed for what of a file is no weights.
 *
 * @throws MemoryLimitError
 */
export function checkFileFits(
  bytes: number,
  { limit, isContained }: Pick<MemoryOptions, 'limit' | 'isContained'>,
): void {
  const least = OVERHEAD + bytes * 0.9
  if (least > limit) throw tooLarge(`at least ${formatSize(least)}`, limit, isContained)
}

function tooLarge(needs: string, limit: number, isContained = false): MemoryLimitError {
  return new MemoryLimitError(
    `This model needs ${needs}, and ` +
      (isContained
        ? `this container has ${formatSize(limit)} for this process. Give it more, set memoryLimit, or use a smaller model.`
        : `memoryLimit is ${formatSize(limit)}. Raise the limit, or use a smaller model.`),
  )
}

export class MemoryBudget implements Room<Admitted> {
  readonly #options: MemoryOptions
  readonly #inside = new Set<Admitted>()
  readonly #admission = new Admission<Admitted>(this)
  /** Of an ordinary batch's context. */
  readonly #ordinary: number
  /** Tokens known to fit, and tokens known not to. */
  #fitting: number
  #tooLong = Number.POSITIVE_INFINITY
  #results = 0

  /** @throws MemoryLimitError when the weights and the smallest context are over the limit */
  constructor(options: MemoryOptions) {
    this.#options = options
    this.#ordinary = options.contextBytes(options.batchTokens)
    this.#fitting = options.batchTokens
    const least = this.#fixed + this.#ordinary
    if (least > options.limit) {
      const needs = `${formatSize(least)} (weights ${formatSize(options.weights)})`
      throw tooLarge(needs, options.limit, options.isContained)
    }
  }

  /** Readings, in bytes. */
  get stats(): { limit: number; results: number; waitingCalls: number } {
    return {
      limit: this.#options.limit,
      results: this.#results,
      waitingCalls: this.#admission.waiting,
    }
  }

  /** What an embedder with such batches takes, results aside. */
  needs(batchTokens: number): number {
    return this.#fixed + this.#options.contextBytes(batchTokens)
  }

  /** The most resident memory while a call with such needs runs alone. */
  peakOf(needs: MemoryNeeds): number {
    const { results, context } = this.#admitted(needs)
    return this.#fixed + results + context
  }

  /**
   * Whether one text of so many tokens can ever be computed. Asks the engine only about a text that is
   * longer than all before it, and never again once one was too long: a context grows with its tokens.
   */
  fits(tokens: number): boolean {
    if (tokens > this.#fitting && tokens < this.#tooLong) this.#measure(tokens)
    return tokens <= this.#fitting
  }

  #measure(tokens: number): void {
    const fits = (n: number) => this.#fixed + this.#contextOf(n) <= this.#options.limit
    if (fits(tokens)) {
      this.#fitting = tokens
      return
    }
    this.#tooLong = tokens
    while (this.#tooLong - this.#fitting > 1) {
      const middle = (this.#fitting + this.#tooLong) >> 1
      if (fits(middle)) this.#fitting = middle
      else this.#tooLong = middle
    }
  }

  /** An error for a text of so many tokens that can never be computed. */
  refusal(tokens: number, index?: number): MemoryLimitError {
    const where = index === undefined ? 'The text' : `The text at index ${index}`
    const needed = this.#fixed + this.#contextOf(tokens)
    return new MemoryLimitError(
      `${where} has ${tokens} tokens and would take ${formatSize(needed)}; memoryLimit is ` +
        `${formatSize(this.#options.limit)}. Raise the limit, or cut the text into chunks.`,
      { index },
    )
  }

  /**
   * Waits until there is room, then holds it until the function it gives is called.
   *
   * @throws MemoryLimitError when it could not be had even alone; the signal's reason when aborted
   */
  async admit(needs: MemoryNeeds, signal?: AbortSignalLike): Promise<() => void> {
    const wanted = this.#admitted(needs)
    if (this.#fixed + wanted.results + wanted.context > this.#options.limit) {
      throw new MemoryLimitError(
        `This call would hold ${formatSize(wanted.results)} of results at once beside ` +
          `${formatSize(this.#fixed + wanted.context)} of weights, cache and context; memoryLimit is ` +
          `${formatSize(this.#options.limit)}. Embed fewer texts at a time, use embedStream, or raise the limit.`,
      )
    }
    await this.#admission.enter(wanted, signal)
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#inside.delete(wanted)
      this.#results -= wanted.results
      this.#admission.letIn()
    }
  }

  /** For `Admission`. */
  hasRoom(wanted: Admitted): boolean {
    let { context } = wanted
    for (const other of this.#inside) context = Math.max(context, other.context)
    return this.#fixed + this.#results + wanted.results + context <= this.#options.limit
  }

  /** For `Admission`. */
  take(wanted: Admitted): void {
    this.#inside.add(wanted)
    this.#results += wanted.results
  }

  get #fixed(): number {
    return OVERHEAD + this.#options.weights + this.#options.cache
  }

  #contextOf(tokens: number): number {
    const { batchTokens, contextBytes } = this.#options
    return tokens <= batchTokens ? this.#ordinary : contextBytes(tokens)
  }

  #admitted({ results, longest }: MemoryNeeds): Admitted {
    return { results: results * COPIES, context: this.#contextOf(longest) }
  }
}
