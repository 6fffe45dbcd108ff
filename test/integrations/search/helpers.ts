/** A folder of files and an index of it, for one test. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Embedder } from '../../../lib/embedder/embedder.js'
import { type OpenIndexOptions, openIndex, type SearchIndex } from '../../../lib/exports/search.js'

export class Workspace {
  readonly #open: SearchIndex[] = []

  private constructor(readonly folder: string) {}

  static async make(): Promise<Workspace> {
    const workspace = new Workspace(await mkdtemp(join(tmpdir(), 'bge-m3-index-')))
    await mkdir(workspace.docs)
    return workspace
  }

  get docs(): string {
    return join(this.folder, 'docs')
  }

  get store(): string {
    return join(this.folder, 'store')
  }

  path(name: string): string {
    return join(this.docs, name)
  }

  async put(name: string, content: string | Uint8Array): Promise<string> {
    await mkdir(dirname(this.path(name)), { recursive: true })
    await writeFile(this.path(name), content)
    return this.path(name)
  }

  async index(embedder: Embedder | undefined, options: OpenIndexOptions = {}) {
    const index = await openIndex(this.store, { ...(embedder && { embedder }), ...options })
    this.#open.push(index)
    return index
  }

  async remove(): Promise<void> {
    for (const index of this.#open) await index.close()
    await rm(this.folder, { recursive: true, force: true })
  }
}
