/**
 * Chroma: `bge-m3-node/chroma`. Embedding functions for collections, dense and sparse. Chroma stores a
 * function's name and configuration with the collection; `registerWithChroma` lets its client make the
 * function again from these.
 */

import type { EmbeddingFunction, EmbeddingFunctionSpace, SparseEmbeddingFunction } from 'chromadb'
import { InvalidInputError } from '../../common/errors.js'
import { optional } from '../../common/optional.js'
import { Embedder } from '../../embedder/embedder.js'
import type { LoadOptions } from '../../options/types.js'
import {
  type AdapterOptions,
  checkAdapter,
  denseVectors,
  type SparseVector,
  sparseVectors,
} from './vectors.js'

export type { AdapterOptions } from './vectors.js'

/** What a function embeds with, and how. */
export interface ChromaOptions extends AdapterOptions {
  /** An embedder that is loaded already, and stays the caller's. */
  embedder?: Embedder
  /** What to load when the first text comes, where no embedder is given. */
  load?: LoadOptions
}

/** What is stored with a collection. Paths are not: they differ between machines. */
export interface ChromaConfig {
  fingerprint?: string
  truncate?: 'error' | 'end'
  max_tokens?: number
  dimensions?: number
}

/** What both functions share: an embedder, given or loaded once, and what of it a collection remembers. */
class Source {
  readonly options: AdapterOptions
  readonly #load: () => Promise<Embedder>
  readonly #expected: string | undefined
  #embedder: Promise<Embedder> | undefined
  #fingerprint: string | undefined

  constructor({ embedder, load, ...options }: ChromaOptions, expected?: string) {
    checkAdapter(embedder ?? Embedder.prototype, options, 'An embedding function')
    this.options = options
    this.#load = async () => embedder ?? (await Embedder.load(load))
    this.#fingerprint = embedder?.info.fingerprint ?? expected
    this.#expected = expected
  }

  /** @throws InvalidInputError for another model than the collection was made with */
  async embedder(): Promise<Embedder> {
    this.#embedder ??= this.#load()
    let embedder: Embedder
    try {
      embedder = await this.#embedder
    } catch (error) {
      // the next call may find a model
      this.#embedder = undefined
      throw error
    }
    const { fingerprint, model } = embedder.info
    if (this.#expected !== undefined && this.#expected !== fingerprint) {
      throw new InvalidInputError(
        `This collection was embedded by another model than ${model} (fingerprint ${this.#expected}, not ${fingerprint}): load that one, or make the collection anew.`,
      )
    }
    this.#fingerprint = fingerprint
    return embedder
  }

  get config(): ChromaConfig {
    const { truncate, maxTokens, dimensions } = this.options
    const config: ChromaConfig = {}
    if (this.#fingerprint !== undefined) config.fingerprint = this.#fingerprint
    if (truncate !== undefined) config.truncate = truncate
    if (maxTokens !== undefined) config.max_tokens = maxTokens
    if (dimensions !== undefined) config.dimensions = dimensions
    return config
  }
}

/** What functions that Chroma's client makes anew embed with. */
let registered: ChromaOptions = {}

/** Configurations come from the server. */
function optionsOf(config: Record<string, unknown>): ChromaOptions {
  const { truncate, max_tokens: maxTokens, dimensions } = config
  const options: ChromaOptions = { ...registered }
  if (truncate === 'end' || truncate === 'error') options.truncate = truncate
  if (typeof maxTokens === 'number') options.maxTokens = maxTokens
  if (typeof dimensions === 'number') options.dimensions = dimensions
  return options
}

function fingerprintOf({ fingerprint }: Record<string, unknown>): string | undefined {
  return typeof fingerprint === 'string' ? fingerprint : undefined
}

/** @throws InvalidInputError when a collection's vectors and new ones would not compare */
function refuseOtherModel(before: ChromaConfig, after: Record<string, unknown>): void {
  const changed = (['fingerprint', 'dimensions'] as const).find(
    (key) => after[key] !== undefined && before[key] !== undefined && after[key] !== before[key],
  )
  if (changed === undefined) return
  throw new InvalidInputError(`A collection's ${changed} cannot change: make the collection anew.`)
}

/** Dense vectors of length 1, for a collection's main index. */
export class BgeM3EmbeddingFunction implements EmbeddingFunction {
  static readonly name = 'bge-m3-node'
  readonly name = BgeM3EmbeddingFunction.name
  readonly #source: Source

  constructor(options: ChromaOptions = {}, expectedFingerprint?: string) {
    this.#source = new Source(options, expectedFingerprint)
  }

  /** @throws BatchError naming each text that could not be embedded */
  async generate(texts: string[]): Promise<number[][]> {
    return (
      await denseVectors(await this.#source.embedder(), texts, this.#source.options, {
        side: 'passage',
      })
    ).vectors
  }

  async generateForQueries(texts: string[]): Promise<number[][]> {
    const options: AdapterOptions = { ...this.#source.options, priority: 'interactive' }
    return (await denseVectors(await this.#source.embedder(), texts, options, { side: 'query' }))
      .vectors
  }

  defaultSpace(): EmbeddingFunctionSpace {
    return 'cosine'
  }

  supportedSpaces(): EmbeddingFunctionSpace[] {
    return ['cosine', 'ip', 'l2']
  }

  getConfig(): Record<string, unknown> {
    return { ...this.#source.config }
  }

  validateConfigUpdate(newConfig: Record<string, unknown>): void {
    refuseOtherModel(this.#source.config, newConfig)
  }

  /** Called by Chroma's client with the configuration that is stored with a collection. */
  static buildFromConfig(config: Record<string, unknown>): BgeM3EmbeddingFunction {
    return new BgeM3EmbeddingFunction(optionsOf(config), fingerprintOf(config))
  }
}

/** Lexical weights, for a sparse index in a collection's schema. */
export class BgeM3SparseEmbeddingFunction implements SparseEmbeddingFunction {
  static readonly name = 'bge-m3-node-sparse'
  readonly name = BgeM3SparseEmbeddingFunction.name
  readonly #source: Source

  constructor(options: ChromaOptions = {}, expectedFingerprint?: string) {
    this.#source = new Source(options, expectedFingerprint)
  }

  async generate(texts: string[]): Promise<SparseVector[]> {
    return sparseVectors(await this.#source.embedder(), texts, this.#source.options, 'passage')
  }

  async generateForQueries(texts: string[]): Promise<SparseVector[]> {
    const options: AdapterOptions = { ...this.#source.options, priority: 'interactive' }
    return sparseVectors(await this.#source.embedder(), texts, options, 'query')
  }

  getConfig(): Record<string, unknown> {
    return { ...this.#source.config }
  }

  validateConfigUpdate(newConfig: Record<string, unknown>): void {
    refuseOtherModel(this.#source.config, newConfig)
  }

  /** Called by Chroma's client with the configuration that is stored with a collection. */
  static buildFromConfig(config: Record<string, unknown>): BgeM3SparseEmbeddingFunction {
    return new BgeM3SparseEmbeddingFunction(optionsOf(config), fingerprintOf(config))
  }
}

/**
 * Tells Chroma's client about both functions, so that `getCollection` finds them by name. Call it once,
 * before collections are opened.
 *
 * @param options the embedder for functions made that way, or how to load one
 * @throws InvalidInputError when `chromadb` is not installed
 */
export async function registerWithChroma(
  options: Pick<ChromaOptions, 'embedder' | 'load'> = {},
): Promise<void> {
  registered = options
  const chroma = await optional('chromadb', 'bge-m3-node/chroma', () => import('chromadb'))
  if (!chroma.knownEmbeddingFunctions.has(BgeM3EmbeddingFunction.name)) {
    chroma.registerEmbeddingFunction(BgeM3EmbeddingFunction.name, BgeM3EmbeddingFunction)
  }
  if (!chroma.knownSparseEmbeddingFunctions.has(BgeM3SparseEmbeddingFunction.name)) {
    chroma.registerSparseEmbeddingFunction(
      BgeM3SparseEmbeddingFunction.name,
      BgeM3SparseEmbeddingFunction,
    )
  }
}
