/**
 * The memory that this embedder may take: weights, context, cache, and the results and token ids of
 * calls under way. A call is let in when all that it will hold fits beside what others hold, and waits
 * until then; what can never fit is refused by name.
 */
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

interface Waiting {
  needs: Admitted
  admit(): void
}

export class MemoryBudget {
  readonly #options: MemoryOptions
  readonly #inside = new Set<Admitted>()
  #waiting: Waiting[] = []
  #results = 0

  /** @throws MemoryLimitError when the weights and the smallest context are over the limit */
  constructor(options: MemoryOptions) {
    this.#options = options
    const least = this.#fixed + this.#contextOf(0)
    if (least > options.limit) {
      throw new MemoryLimitError(
        `This model needs ${formatSize(least)} (weights ${formatSize(options.weights)}), and memoryLimit is ` +
          `${formatSize(options.limit)}. Raise the limit, or use a smaller model.`,
      )
    }
  }

  /** Readings, in bytes. */
  get stats(): { limit: number; results: number; waitingCalls: number } {
    return {
      limit: this.#options.limit,
      results: this.#results,
      waitingCalls: this.#waiting.length,
    }
  }

  /** The most resident memory while a call with such needs runs alone. */
  peakOf(needs: MemoryNeeds): number {
    const { results, context } = this.#admitted(needs)
    return this.#fixed + results + context
  }

  /** Whether one text of so many tokens can ever be computed. */
  fits(tokens: number): boolean {
    return this.#fixed + this.#contextOf(tokens) <= this.#options.limit
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
  async admit(needs: MemoryNeeds, signal?: AbortSignal): Promise<() => void> {
    const wanted = this.#admitted(needs)
    if (this.#fixed + wanted.results + wanted.context > this.#options.limit) {
      throw new MemoryLimitError(
        `This call would hold ${formatSize(wanted.results)} of results at once beside ` +
          `${formatSize(this.#fixed + wanted.context)} of weights, cache and context; memoryLimit is ` +
          `${formatSize(this.#options.limit)}. Embed fewer texts at a time, use embedStream, or raise the limit.`,
      )
    }
    signal?.throwIfAborted()
    if (this.#waiting.length > 0 || !this.#hasRoom(wanted)) await this.#wait(wanted, signal)
    else this.#enter(wanted)
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#inside.delete(wanted)
      this.#results -= wanted.results
      this.#letIn()
    }
  }

  get #fixed(): number {
    return OVERHEAD + this.#options.weights + this.#options.cache
  }

  #contextOf(tokens: number): number {
    return this.#options.contextBytes(Math.max(tokens, this.#options.batchTokens))
  }

  #admitted({ results, longest }: MemoryNeeds): Admitted {
    return { results: results * COPIES, context: this.#contextOf(longest) }
  }

  #hasRoom(wanted: Admitted): boolean {
    let { context } = wanted
    for (const other of this.#inside) context = Math.max(context, other.context)
    return this.#fixed + this.#results + wanted.results + context <= this.#options.limit
  }

  #enter(wanted: Admitted): void {
    this.#inside.add(wanted)
    this.#results += wanted.results
  }

  #wait(wanted: Admitted, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const entry: Waiting = {
        needs: wanted,
        admit: () => {
          signal?.removeEventListener('abort', onAbort)
          this.#enter(wanted)
          resolve()
        },
      }
      const onAbort = () => {
        this.#waiting = this.#waiting.filter((other) => other !== entry)
        reject(signal?.reason)
        this.#letIn()
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(entry)
    })
  }

  /** In order of arrival: a large call is not passed by small ones for ever. */
  #letIn(): void {
    while (this.#waiting[0] && this.#hasRoom(this.#waiting[0].needs)) this.#waiting.shift()?.admit()
  }
}
