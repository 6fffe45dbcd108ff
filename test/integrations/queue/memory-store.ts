/** A store that counts, and fails when it is told to. */
import type { EmbeddingStore, StoredChunk } from '../../../lib/integrations/store.js'

export class MemoryStore implements EmbeddingStore {
  readonly rows = new Map<string, StoredChunk>()
  /** How often each id was written. */
  readonly writes = new Map<string, number>()
  /** Called before a write; what it throws the write throws. */
  before: (chunks: readonly StoredChunk[]) => void | Promise<void> = () => {}
  prepared = 0

  async prepare(): Promise<void> {
    this.prepared++
  }

  async write(chunks: readonly StoredChunk[]): Promise<void> {
    await this.before(chunks)
    for (const stored of chunks) {
      const { id } = stored.chunk
      this.rows.set(id, stored)
      this.writes.set(id, (this.writes.get(id) ?? 0) + 1)
    }
  }

  async stored(ids: readonly string[]): Promise<Set<string>> {
    return new Set(ids.filter((id) => this.rows.has(id)))
  }

  async close(): Promise<void> {}
}
