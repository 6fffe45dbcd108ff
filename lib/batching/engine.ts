/** A loaded model with its session and scheduler: what an embedder holds while it is not unloaded. */
import type { NativeModel, NativeModelInfo, NativeSession } from '../native/addon.js'
import { fromNative } from '../native/errors.js'
import { loadAddon } from '../native/load.js'
import { Scheduler } from './scheduler.js'

export interface EngineOptions {
  path: string
  /** 0 = one per real core. */
  threads: number
  batchTokens: number
}

export class Engine {
  readonly info: NativeModelInfo
  readonly scheduler: Scheduler
  readonly model: NativeModel
  readonly session: NativeSession

  private constructor(model: NativeModel, options: EngineOptions) {
    this.model = model
    this.info = model.info()
    this.session = model.session(options.threads)
    this.scheduler = new Scheduler(this.session, {
      dim: this.info.dim,
      batchTokens: options.batchTokens,
    })
  }

  static async load(options: EngineOptions): Promise<Engine> {
    try {
      return new Engine(await loadAddon().loadModel(options.path), options)
    } catch (error) {
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
