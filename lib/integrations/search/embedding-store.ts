/** An index as a store: what loaders and queue workers write is searched beside the files. */

import { createHash } from 'node:crypto'
import { InvalidInputError, StoreError } from '../../common/errors.js'
import { isTyped } from '../../common/realms.js'
import { type EmbeddingStore, fallbackError, type StoredChunk } from '../store.js'
import { blobText, bytesOf, type Database, textBlob } from './database.js'
import { checkModel, type IndexSettings } from './schema.js'
import { addVectors, findVector, type NewVector } from './vectors.js'

export class IndexStore implements EmbeddingStore {
  readonly #db: Database
  readonly #claim: () => Promise<IndexSettings>
  #settings: IndexSettings | undefined
  #isClosed = false

  readonly #tidy: () => Promise<void>

  /**
   * @param claim the settings of the index, fixed from then on
   * @param tidy runs when the store is closed
   */
  constructor(db: Database, claim: () => Promise<IndexSettings>, tidy: () => Promise<void>) {
    this.#db = db
    this.#claim = claim
    this.#tidy = tidy
  }

  async prepare(): Promise<void> {
    this.#checkOpen()
    this.#settings = await this.#claim()
  }

  async write(chunks: readonly StoredChunk[]): Promise<void> {
    this.#checkOpen()
    this.#settings ??= await this.#claim()
    const { model } = this.#settings
    // the last of several with one id wins
    const rows = new Map(
      chunks.map((stored) => {
        checkModel(model, stored.chunk.model)
        const foreign = fallbackError(stored.chunk.embedding)
        if (foreign) throw foreign
        return [stored.chunk.id, { stored, vector: vectorOf(stored, model.dimensions) }]
      }),
    )
    this.#db.transaction(() => {
      const added = new Map<string, NewVector>()
      for (const { vector } of rows.values()) {
        const isKnown = findVector(this.#db, vector.hash) !== undefined
        if (!isKnown) added.set(hex(vector.hash), vector)
      }
      addVectors(this.#db, [...added.values()])
      for (const [id, { stored, vector }] of rows) {
        this.#db.run(
          `INSERT INTO chunks (name, vector, metadata) VALUES (?, ?, ?)
           ON CONFLICT (name) DO UPDATE SET vector = excluded.vector, metadata = excluded.metadata`,
          nameBlob(id),
          findVector(this.#db, vector.hash) as number,
          metadataBlob(stored.chunk.metadata),
        )
      }
    })
  }

  async stored(ids: readonly string[]): Promise<Set<string>> {
    this.#checkOpen()
    const found = ids.filter((id) =>
      this.#db.first('SELECT 1 FROM chunks WHERE name = ?', nameBlob(id)),
    )
    return new Set(found)
  }

  /** The index stays open. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#tidy()
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new StoreError('The store is closed.')
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** Ids hold every character, also the NUL at which SQLite's texts end. */
function nameBlob(id: string): Uint8Array {
  const bytes = textBlob(id)
  if (blobText(bytes) === id) return bytes
  throw new InvalidInputError('The id of a chunk holds a lone surrogate, so it is no Unicode text.')
}

function metadataBlob(metadata: Record<string, unknown> | undefined): Uint8Array | null {
  if (metadata === undefined) return null
  try {
    return textBlob(JSON.stringify(metadata))
  } catch (cause) {
    throw new InvalidInputError('The metadata of a chunk is no JSON.', { cause })
  }
}

/** Told apart by text and numbers: whoever wrote it may have embedded it with other options than we do. */
function vectorOf({ chunk, text }: StoredChunk, dimensions: number): NewVector {
  const { dense, sparse, tokenCount } = chunk.embedding
  if (!isTyped(dense, 'Float32Array') || dense.length !== dimensions) {
    throw new InvalidInputError(
      `An index takes dense vectors of float32 with ${dimensions} dimensions.`,
    )
  }
  const hash = createHash('sha256')
    .update('written')
    .update(textBlob(text ?? ''))
  hash.update(bytesOf(dense))
  if (sparse) hash.update(bytesOf(sparse.indices)).update(bytesOf(sparse.values))
  return {
    hash: hash.digest().subarray(0, 16),
    text,
    tokens: tokenCount,
    dense,
    sparse,
  }
}
