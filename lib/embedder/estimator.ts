/** What an embedder knows of its own speed: learnt from every batch, kept for the next process. */

import { cacheDir } from '../common/cache-dir.js'
import type { Estimate } from '../common/types.js'
import type { Engine } from '../engine/engine.js'
import { calibrate, syntheticIds } from '../engine/estimate/calibrate.js'
import { CostModel } from '../engine/estimate/cost-model.js'
import { costFile, loadCosts, saveCosts } from '../engine/estimate/cost-store.js'
import { estimate } from '../engine/estimate/estimate.js'
import { countAll } from '../engine/tokenize.js'
import { loadAddon } from '../native/load.js'
import { type CallOptions, checkAgainstModel, outputBits } from './call/call-options.js'

/** llama.cpp's other kernels take a text at a time. */
const ALONE = 1

export class Estimator {
  #costs: CostModel | undefined
  #file: string | undefined

  /** Sees every batch that the engine ran. */
  readonly observe = (batch: { lengths: Uint32Array; outputs: number; computeMs: number }) => {
    this.#costs?.observe(batch)
  }

  /** Another model was loaded: what an earlier process learnt of it is read. */
  async follow(engine: Engine, directory: string | undefined): Promise<void> {
    const { fingerprint } = engine.prepared
    const { threads } = engine.session.stats()
    const { isa } = loadAddon().machine()
    this.#file = costFile(cacheDir(directory), { fingerprint, threads, isa })
    this.#costs = new CostModel({ dim: engine.info.dim })
    await loadCosts(this.#costs, this.#file)
  }

  /** Estimates a call; measures for a moment (at most two seconds or so) if nothing ran here yet. */
  async estimate(engine: Engine, texts: readonly unknown[], call: CallOptions): Promise<Estimate> {
    const costs = this.#costs ?? new CostModel({ dim: engine.info.dim })
    this.#costs = costs
    checkAgainstModel(call, engine)
    const outputs = outputBits(call.outputs)
    const { dim } = engine.info
    const maxTokens = Math.min(call.maxTokens ?? Number.POSITIVE_INFINITY, engine.maxTokens)
    if (!costs.isReady) {
      const { signal } = call
      await calibrate(costs, (lengths) => runSynthetic(engine, lengths, outputs), {
        outputs,
        maxTokens,
        signal,
      })
      await this.save()
    }
    const { session, scheduler, info } = engine
    return estimate(texts, {
      costs,
      countTokens: (list) => countAll(engine.model, list, false, { signal: call.signal }),
      call: { ...call, maxTokens, dimensions: call.dimensions ?? dim },
      dim,
      packing: {
        batchTokens: scheduler.batchTokens,
        ...(!info.packsExactly && { maxTexts: ALONE }),
      },
      memory: {
        residentBytes: loadAddon().machine().residentMemory,
        weightBytesToRead: 0,
        contextBytes: session.stats().contextBytes,
        contextBytesFor: (tokens) => session.contextBytes(tokens),
      },
    })
  }

  /** Keeps what was learnt; where it cannot be written, nothing is lost. */
  async save(): Promise<void> {
    if (this.#costs && this.#file) await saveCosts(this.#costs, this.#file)
  }
}

/** Milliseconds that made-up texts of such lengths took. */
async function runSynthetic(
  engine: Engine,
  lengths: readonly number[],
  outputs: number,
): Promise<number> {
  const { scheduler, info, model } = engine
  const { ids } = await model.tokenize([''], 0, 1)
  const [begin, end] = [ids[0] as number, ids[1] as number]
  let computeMs = 0
  const job = scheduler.open({
    outputs,
    priority: 'interactive',
    onOutcome: () => {},
    onBatch: (batch) => {
      computeMs += batch.computeMs
    },
  })
  lengths.forEach((length, i) => {
    const seed = i + 1
    scheduler.add(job, i, syntheticIds(length, { begin, end, vocabSize: info.vocabSize, seed }))
  })
  scheduler.start(job)
  await job.end()
  return computeMs
}
