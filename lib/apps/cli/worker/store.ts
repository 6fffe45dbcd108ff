/** Where a worker's embeddings go, as its flags say. */

import type { Outputs } from '../../../common/types.js'
import type { Embedder } from '../../../embedder/embedder.js'
import type { EmbeddingStore } from '../../../integrations/store.js'
import type { DenseKind } from '../../../integrations/stores/postgres/table.js'
import { UsageError } from '../shared/errors.js'
import type { CliIo } from '../shared/io.js'
import { type Flags, optionValues, outputsOf } from '../shared/options.js'
import { present } from '../shared/present.js'

/** What is stored, and where. */
export interface ChosenStore {
  outputs: Outputs
  /** Nothing is asked of the database yet. @param dimensions of dense vectors, where they are cut */
  open(embedder: Embedder, dimensions: number | undefined): Promise<EmbeddingStore>
}

/** @throws UsageError for flags that are missing */
export function chooseStore(io: CliIo, flags: Flags): ChosenStore {
  return flags.store === 'qdrant' ? qdrantStore(io, flags) : postgresStore(io, flags)
}

interface PostgresFlags {
  database?: string
  table?: string
  id: string
  textColumn?: string
  denseColumn?: string
  sparseColumn?: string
  metadataColumn?: string
  modelColumn?: string
  denseType?: DenseKind
  force?: boolean
  sparseLimit?: number
}

function postgresStore(io: CliIo, flags: Flags): ChosenStore {
  const own = flags as unknown as PostgresFlags
  const url = own.database ?? io.env.DATABASE_URL
  if (!url) throw new UsageError('Name the database: --database URL, or DATABASE_URL.')
  const { table, denseColumn, sparseColumn, sparseLimit, denseType } = own
  if (table === undefined) throw new UsageError('Name the table: --table NAME.')
  if (denseColumn === undefined && sparseColumn === undefined) {
    throw new UsageError('Name a column to fill: --dense-column, --sparse-column, or both.')
  }
  return {
    outputs: { dense: denseColumn !== undefined, sparse: sparseColumn !== undefined },
    async open({ info }, dimensions) {
      const { PostgresStore } = await import('../../../integrations/stores/postgres/store.js')
      return PostgresStore.open(url, {
        table,
        columns: {
          id: own.id,
          text: own.textColumn,
          dense: denseColumn,
          sparse: sparseColumn,
          metadata: own.metadataColumn,
          model: own.modelColumn,
        },
        model: info,
        ...present({ dimensions, sparseLimit, denseType, force: own.force }),
      })
    },
  }
}

interface QdrantFlags {
  qdrant?: string
  collection?: string
  text: boolean
}

function qdrantStore(io: CliIo, flags: Flags): ChosenStore {
  const own = flags as unknown as QdrantFlags
  const url = own.qdrant ?? io.env.QDRANT_URL
  if (!url) throw new UsageError('Name the server: --qdrant URL, or QDRANT_URL.')
  const { collection } = own
  if (collection === undefined) throw new UsageError('Name the collection: --collection NAME.')
  const apiKey = io.env.QDRANT_API_KEY || undefined
  const outputs = outputsOf(flags, optionValues(flags, io.env))
  return {
    outputs,
    async open({ info }, dimensions) {
      const { QdrantStore } = await import('../../../integrations/stores/qdrant/store.js')
      const options = { url, apiKey, collection, outputs, keepText: own.text, dimensions }
      return QdrantStore.open(info, options)
    },
  }
}
