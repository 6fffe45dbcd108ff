/** A loaded model with its heads, session and scheduler: what an embedder holds while it is loaded. */
import { fromFloat16 } from '../float16.js'
import { type Heads, loadHeads } from '../model/heads.js'
import type { NativeHeads, NativeModel, NativeModelInfo, NativeSession } from '../native/addon.js'
import { fromNative } from '../native/errors.js'
import { loadAddon } from '../native/load.js'
import type { Outputs } from '../types.js'
import { Scheduler } from './scheduler.js'

export interface EngineOptions {
  path: string
  /** What the user named; without it heads are looked for in the model and beside it. */
  heads: string | undefined
  /** 0 = one per real core. */
  threads: number
  batchTokens: number
}

export class Engine {
  readonly info: NativeModelInfo
  /** What can be asked of this model. */
  readonly outputs: Required<Outputs>
  /** Files the heads came from. */
  readonly headPaths: readonly string[]
  readonly scheduler: Scheduler
  readonly model: NativeModel
  readonly session: NativeSession

  private constructor(model: NativeModel, heads: Heads | undefined, options: EngineOptions) {
    this.model = model
    this.info = model.info()
    this.outputs = {
      dense: true,
      sparse: heads?.sparse !== undefined,
      colbert: heads?.colbert !== undefined,
    }
    this.headPaths = heads?.paths ?? []
    this.session = model.session(options.threads)
    this.scheduler = new Scheduler(this.session, {
      dim: this.info.dim,
      batchTokens: options.batchTokens,
      heads: heads ? toNative(heads, this.info.dim) : null,
    })
  }

  static async load(options: EngineOptions): Promise<Engine> {
    const model = await loadAddon()
      .loadModel(options.path)
      .catch((error) => {
        throw fromNative(error)
      })
    try {
      const { dim } = model.info()
      const heads = await loadHeads({ model: options.path, dim, heads: options.heads })
      return new Engine(model, heads, options)
    } catch (error) {
      await model.release()
      throw fromNative(error)
    }
  }

  /** Ends all work; resolves when the thread and the weights are given back (if nobody shares them). */
  async close(): Promise<void> {
    this.scheduler.close()
    await this.session.release()
    await this.model.release()
  }
}

function toNative({ sparse, colbert }: Heads, dim: number): NativeHeads {
  const { NativeHeads } = loadAddon()
  return new NativeHeads(dim, {
    ...(sparse && { sparseWeight: sparse.weight, sparseBias: sparse.bias }),
    ...(colbert && {
      colbertWeight:
        colbert.weight instanceof Uint16Array ? fromFloat16(colbert.weight) : colbert.weight,
      colbertBias: colbert.bias,
    }),
  })
}
