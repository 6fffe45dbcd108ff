/** An index of files in a folder of its own, and what can be done with it. */

import { mkdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { URL } from 'node:url'
import { chunkText } from '../../chunking/chunk-text.js'
import { throwIfAborted } from '../../common/abort.js'
import { InvalidInputError, StoreError } from '../../common/errors.js'
import {
  checkEmbedder,
  checkFunction,
  checkList,
  checkNumeric,
  checkSignal,
  checkText,
  namesOf,
  refuseUnknown,
} from '../../common/given.js'
import { pathOf } from '../../common/path.js'
import type { Embedder } from '../../embedder/embedder.js'
import type { EmbeddingStore } from '../store.js'
import { readChunk } from './chunk.js'
import { Database } from './database.js'
import { IndexStore } from './embedding-store.js'
import { filesUnder, removeFiles } from './files.js'
import { lockForUpdate } from './lock.js'
import {
  checkModel,
  claimSettings,
  clear,
  type IndexSettings,
  prepareSchema,
  readSettings,
} from './schema.js'
import { search } from './search.js'
import type {
  ChunkSettings,
  IndexedChunk,
  IndexStats,
  ReadOptions,
  SearchHit,
  SearchOptions,
  UpdateOptions,
  UpdateResult,
} from './types.js'
import { updateIndex } from './update.js'
import { mergeSegments, removeUnused } from './vectors.js'

const OPEN_NAMES = namesOf<OpenIndexOptions>({ embedder: 1, chunking: 1, rebuild: 1, create: 1 })
const CHUNK_NAMES = namesOf<ChunkSettings>({ maxTokens: 1, overlap: 1, language: 1 })
const SEARCH_NAMES = namesOf<SearchOptions>({
  limit: 1,
  mode: 1,
  fusion: 1,
  weights: 1,
  rerank: 1,
  reranker: 1,
  signal: 1,
})
const UPDATE_NAMES = namesOf<UpdateOptions>({
  include: 1,
  exclude: 1,
  hidden: 1,
  gitignore: 1,
  followSymlinks: 1,
  maxFileSize: 1,
  signal: 1,
  onProgress: 1,
})

const DEFAULT_CHUNKING: ChunkSettings = { maxTokens: 500, overlap: 50, language: 'en' }

/** How to open an index. */
export interface OpenIndexOptions {
  /** What embeds; not needed for `stats` and `forget`. It stays open when the index is closed. */
  embedder?: Embedder
  /** How files are cut. Default: as the index was made with; for a new one 500 tokens, 50 repeated, `en`. */
  chunking?: Partial<ChunkSettings>
  /** Empties an index that was made with another model or other chunks. Default: false. */
  rebuild?: boolean
  /** Makes an index where there is none. Default: true. */
  create?: boolean
}

/**
 * Opens the index in a folder, or makes one.
 *
 * @throws InvalidInputError when libsql is not installed, or when the index was made with another model or
 *   other chunks; StoreError when the folder cannot be used
 */
export async function openIndex(
  store: string | URL,
  options: OpenIndexOptions = {},
): Promise<SearchIndex> {
  refuseUnknown(options, OPEN_NAMES, 'openIndex')
  refuseUnknown(options.chunking ?? {}, CHUNK_NAMES, '`chunking`')
  if (options.embedder !== undefined) {
    checkEmbedder(options.embedder, 'embed', 'embedStream', 'countTokens')
  }
  const folder = resolve(pathOf(store, 'The folder of an index'))
  const file = join(folder, 'index.db')
  const { create = true } = options
  if (!create && !(await exists(file))) {
    throw new InvalidInputError(
      `There is no index in ${folder}: make one with \`bge-m3 index DIR --store ${folder}\`.`,
    )
  }
  await mkdir(folder, { recursive: true }).catch((cause: NodeJS.ErrnoException) => {
    throw new StoreError(`The folder ${folder} cannot be made (${cause.code}).`, { cause })
  })
  const db = await Database.open(file)
  try {
    prepareSchema(db)
    const index = new SearchIndex(folder, db, options)
    if (options.rebuild) await index.clear()
    index.check()
    return index
  } catch (error) {
    db.close()
    throw error
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** An index of files that is open: made by `openIndex`. */
export class SearchIndex {
  /** The folder of the index: an absolute path. */
  readonly folder: string
  readonly #db: Database
  readonly #embedder: Embedder | undefined
  readonly #chunking: Partial<ChunkSettings>

  /**
   * Use {@link openIndex}.
   *
   * @internal
   */
  constructor(folder: string, db: Database, options: OpenIndexOptions) {
    this.folder = folder
    this.#db = db
    this.#embedder = options.embedder
    this.#chunking = options.chunking ?? {}
  }

  /**
   * Whether model and chunks are those that the index was made with.
   *
   * @internal
   * @throws InvalidInputError if not
   */
  check(): void {
    const settings = readSettings(this.#db)
    if (!settings) return
    if (this.#embedder) checkModel(settings.model, this.#embedder.info.fingerprint)
    for (const [name, value] of Object.entries(this.#chunking)) {
      const made = settings.chunking[name as keyof ChunkSettings]
      if (value === undefined || value === made) continue
      throw new InvalidInputError(
        `The index was made with \`${name}\` ${made}, not ${value}: leave that out, or index the files ` +
          'again with --rebuild (`rebuild: true`).',
      )
    }
  }

  /**
   * Brings the index up to date with a folder (or one file): what is new or changed is embedded, what is
   * gone, or is left out now, is removed. Nothing outside that folder is touched. Interrupted or killed, it
   * is gone on with by the next call. Search works meanwhile, also in other processes; a file is found as
   * it was until all of it is done.
   *
   * @throws StoreError when another update runs; InvalidInputError when the folder cannot be read
   */
  async update(path: string | URL, options: UpdateOptions = {}): Promise<UpdateResult> {
    refuseUnknown(options, UPDATE_NAMES, 'update')
    checkSignal(options.signal)
    checkFunction('onProgress', options.onProgress)
    checkPatterns('include', options.include)
    checkPatterns('exclude', options.exclude)
    checkNumeric({ maxFileSize: options.maxFileSize })
    throwIfAborted(options.signal)
    const root = absolute(path)
    const embedder = this.#needEmbedder()
    const lock = await lockForUpdate(this.folder)
    try {
      const settings = await this.#claim(embedder)
      const context = { db: this.#db, embedder, settings, store: this.folder }
      return await updateIndex(context, root, options)
    } finally {
      lock.release()
    }
  }

  /**
   * The best chunks for a query, best first. All vectors are compared, so what is best is exact.
   *
   * @throws InvalidInputError for an empty query, wrong options, or an index that nothing was put into
   * @example
   * const hits = await index.search('how do I write a store?', { limit: 5 })
   */
  async search(query: string, options: SearchOptions = {}): Promise<SearchHit[]> {
    refuseUnknown(options, SEARCH_NAMES, 'search')
    checkSignal(options.signal)
    const embedder = this.#needEmbedder()
    const settings = readSettings(this.#db)
    if (!settings) {
      throw new InvalidInputError(`The index in ${this.folder} is empty: index files first.`)
    }
    checkModel(settings.model, embedder.info.fingerprint)
    return search({ db: this.#db, embedder, settings }, query, options)
  }

  /**
   * A chunk by the id that a hit has, with its neighbours in the file, in their order. As the index has them:
   * no file is looked at. Needs no embedder.
   *
   * @throws InvalidInputError for an id that the index does not have
   */
  async read(id: string, options: ReadOptions = {}): Promise<IndexedChunk[]> {
    return readChunk(this.#db, id, options)
  }

  /** Takes a folder, or a file, out of the index. @returns the number of files */
  async forget(path: string | URL): Promise<number> {
    const root = absolute(path)
    const lock = await lockForUpdate(this.folder)
    try {
      const files = [...filesUnder(this.#db, root).values()]
      removeFiles(
        this.#db,
        files.map(({ id }) => id),
      )
      removeUnused(this.#db)
      return files.length
    } finally {
      lock.release()
    }
  }

  /** Takes out everything, also what the index was made with. */
  async clear(): Promise<void> {
    const lock = await lockForUpdate(this.folder)
    try {
      clear(this.#db)
    } finally {
      lock.release()
    }
  }

  /** Counts, size, and what the index was made with. Needs no embedder. */
  async stats(): Promise<IndexStats> {
    const count = (sql: string) => Number(this.#db.first(`SELECT ${sql} AS n`)?.n ?? 0)
    const settings = readSettings(this.#db)
    const { pages, page } = this.#db.first(
      'SELECT page_count AS pages, page_size AS page FROM pragma_page_count, pragma_page_size',
    ) as { pages: number; page: number }
    return {
      store: this.folder,
      files: count('(SELECT count(*) FROM files)'),
      chunks: count('(SELECT count(*) FROM chunks)'),
      vectors: count('(SELECT count(*) FROM vectors)'),
      tokens: count('(SELECT sum(tokens) FROM vectors)'),
      bytes: pages * page,
      model: settings?.model ?? null,
      chunking: settings?.chunking ?? null,
    }
  }

  /** A store for loaders and queue workers: what they write is found beside the files. */
  store(): EmbeddingStore {
    return new IndexStore(
      this.#db,
      () => this.#claim(this.#needEmbedder()),
      () => this.#tidy(),
    )
  }

  /** Removes what was written over, unless an update, which does that at its end, runs. */
  async #tidy(): Promise<void> {
    const lock = await lockForUpdate(this.folder).catch((error) => {
      if (error instanceof StoreError && error.transient) return undefined
      throw error
    })
    if (!lock) return
    try {
      removeUnused(this.#db)
      mergeSegments(this.#db)
    } finally {
      lock.release()
    }
  }

  /** Safe to call more than once. The embedder stays open. */
  async close(): Promise<void> {
    this.#db.close()
  }

  /** For `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #needEmbedder(): Embedder {
    if (this.#embedder) return this.#embedder
    throw new InvalidInputError('openIndex was called without an `embedder`, which this needs.')
  }

  /** The settings of the index; of a new one, those that it has from now on. */
  async #claim(embedder: Embedder): Promise<IndexSettings> {
    this.check()
    const made = readSettings(this.#db)
    if (made) return made
    const { info } = embedder
    const chunking = { ...DEFAULT_CHUNKING, ...defined(this.#chunking) }
    if (chunking.overlap > chunking.maxTokens / 2 && this.#chunking.overlap === undefined) {
      chunking.overlap = Math.floor(chunking.maxTokens / 10)
    }
    if (chunking.maxTokens > info.maxTokens) {
      throw new InvalidInputError(
        `Chunks of ${chunking.maxTokens} tokens are more than the model takes, ${info.maxTokens}.`,
      )
    }
    // says what is wrong with them
    await chunkText('', { ...chunking, tokenizer: embedder })
    const { fingerprint, name, dimensions, model: file, outputs } = info
    const model = { fingerprint, name, file, dimensions, sparse: outputs.sparse }
    claimSettings(this.#db, { model, chunking })
    return readSettings(this.#db) as IndexSettings
  }
}

const absolute = (path: string | URL): string => resolve(pathOf(path, 'What to index'))

function defined<T extends object>(members: T): Partial<T> {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as Partial<T>
}

/** @throws InvalidInputError for what is no list of texts */
function checkPatterns(name: string, patterns: readonly string[] | undefined): void {
  if (patterns === undefined) return
  checkList(patterns, `\`${name}\``)
  for (const pattern of patterns) checkText(pattern, `A pattern of \`${name}\``)
}
