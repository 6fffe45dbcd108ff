/**
 * Brings an index up to date with a folder: looks at every file, reads those that may have changed, embeds
 * the texts that the index has no vector of, and removes what is gone. What is written is written for good,
 * file by file and, in long files, text by text: an update that was cut off is gone on with by the next one.
 */

import { throwIfAborted } from '../../common/abort.js'
import { EmbedderError, InferenceError, InvalidInputError } from '../../common/errors.js'
import type { Embedder } from '../../embedder/embedder.js'
import { COMPARABLE, fallbackError } from '../store.js'
import type { Database } from './database.js'
import { filesUnder, type IndexedFile, isUnchanged, removeFiles, touchFile } from './files.js'
import { type PendingFile, PendingFiles, type PendingText } from './pending.js'
import { FileCutter, readBytes } from './read-file.js'
import type { IndexSettings } from './schema.js'
import type { FileFailure, SkipReason, UpdateOptions, UpdateResult } from './types.js'
import { UpdateReport } from './update-report.js'
import { mergeSegments, removeUnused } from './vectors.js'
import { type FoundFile, isWithin, walk } from './walk.js'

export interface UpdateContext {
  db: Database
  embedder: Embedder
  settings: IndexSettings
  /** The folder of the index. */
  store: string
}

export async function updateIndex(
  context: UpdateContext,
  root: string,
  options: UpdateOptions,
): Promise<UpdateResult> {
  return new Update(context, root, options).run()
}

class Update {
  readonly #context: UpdateContext
  readonly #root: string
  readonly #options: UpdateOptions
  readonly #report: UpdateReport
  readonly #known: Map<string, IndexedFile>
  /** Known files that were not met again so far. */
  readonly #gone: Map<string, IndexedFile>
  /** Those of them, by their content, that no file of another name has taken over. */
  readonly #oldNames = new Map<string, IndexedFile[]>()
  readonly #renamed: IndexedFile[] = []
  /** What could not be seen: nothing under it is known to be gone. */
  readonly #unseen: string[] = []
  /** Files that may have changed. */
  readonly #todo: FoundFile[] = []
  readonly #pending: PendingFiles
  /** Given to the stream and not back yet, in order. */
  readonly #underWay: PendingText[] = []

  constructor(context: UpdateContext, root: string, options: UpdateOptions) {
    this.#context = context
    this.#root = root
    this.#options = options
    this.#report = new UpdateReport(options.onProgress)
    this.#known = filesUnder(context.db, root)
    this.#gone = new Map(this.#known)
    this.#pending = new PendingFiles(context.db, (file) => this.#done(file))
  }

  async run(): Promise<UpdateResult> {
    const { db } = this.#context
    await this.#scan()
    try {
      await this.#embed()
    } catch (error) {
      this.#writeQuietly()
      throw error
    }
    this.#pending.write()
    this.#remove()
    removeUnused(db)
    mergeSegments(db)
    return this.#report.finish()
  }

  async #scan(): Promise<void> {
    const { signal } = this.#options
    await walk(
      this.#root,
      { ...this.#options, store: this.#context.store },
      {
        onFile: (file) => {
          const known = this.#known.get(file.path)
          this.#gone.delete(file.path)
          const isSame = known !== undefined && isUnchanged(known, file.state)
          if (!isSame) this.#todo.push(file)
          this.#report.found(file.state.size, isSame)
        },
        onSkip: (path, reason) => this.#report.skipped(path, reason),
        onFailure: (failure) => {
          this.#unseen.push(failure.path)
          this.#report.failed(failure)
        },
      },
    )
    throwIfAborted(signal)
    for (const file of this.#goneForSure()) {
      const names = this.#oldNames.get(file.hash)
      if (names) names.push(file)
      else this.#oldNames.set(file.hash, [file])
    }
  }

  #goneForSure(): IndexedFile[] {
    return [...this.#gone.values()].filter(
      ({ path }) => !this.#unseen.some((folder) => isWithin(path, folder)),
    )
  }

  async #embed(): Promise<void> {
    const { embedder, settings } = this.#context
    const { signal } = this.#options
    this.#report.startEmbedding()
    const stream = embedder.embedStream(this.#texts(), {
      ...COMPARABLE,
      outputs: { dense: true, sparse: settings.model.sparse },
      truncate: 'error',
      onError: 'collect',
      // the index itself is what keeps them
      cache: false,
      ...(signal && { signal }),
    })
    for await (const item of stream) {
      const { hash, text } = this.#underWay.shift() as PendingText
      if ('error' in item) {
        this.#pending.failed(hash, item.error)
        continue
      }
      const { embedding, model } = item
      const { dense, sparse, tokenCount } = embedding
      const isForeign = model !== settings.model.fingerprint || dense === undefined
      const foreign = fallbackError(embedding)
      if (foreign || isForeign) {
        const error =
          foreign ??
          new InferenceError('Another model than the index’s, the fallback perhaps, embedded it.')
        this.#pending.failed(hash, error)
        continue
      }
      this.#report.embedded(tokenCount)
      this.#pending.embedded({
        hash: Buffer.from(hash, 'hex'),
        text,
        tokens: tokenCount,
        dense,
        sparse,
      })
    }
  }

  /** The texts to embed, file by file, no faster than they are taken. */
  async *#texts(): AsyncGenerator<string> {
    const { embedder, settings } = this.#context
    const cutter = new FileCutter(embedder, settings.chunking, this.#options.signal)
    for (const file of this.#todo) {
      for (const text of await this.#textsOf(file, cutter)) {
        this.#underWay.push(text)
        yield text.text
      }
    }
  }

  async #textsOf(file: FoundFile, cutter: FileCutter): Promise<PendingText[]> {
    const { path, isHtml } = file
    const { db } = this.#context
    const seen = Date.now()
    const known = this.#known.get(path)
    let read: Awaited<ReturnType<typeof readBytes>>
    try {
      read = await readBytes(path)
    } catch (error) {
      if (isMissing(error)) {
        this.#report.read(file.state.size)
        this.#forget(path)
      } else {
        // what is indexed of it stays: it is not known to be wrong
        this.#failed(file, error)
      }
      return []
    }
    const { bytes, state, hash } = read
    if (known?.hash === hash) {
      touchFile(db, known.id, state, seen)
      this.#report.unchanged(file.state.size)
      return []
    }
    try {
      const parts = await cutter.cut(bytes, isHtml)
      if (typeof parts === 'string') {
        this.#withdraw(file, parts)
        return []
      }
      const { texts, reused } = this.#pending.add({ path, state, seen, hash }, parts)
      this.#report.reused(reused)
      return texts
    } catch (error) {
      this.#failed(file, error)
      this.#forget(path)
      return []
    }
  }

  /** It was seen and read, and there is nothing in it for the index. */
  #withdraw(file: FoundFile, reason: SkipReason): void {
    this.#report.read(file.state.size)
    this.#report.skipped(file.path, reason)
    this.#forget(file.path)
  }

  /** What is indexed of it is certainly not its content any more. */
  #forget(path: string): void {
    const known = this.#known.get(path)
    if (known) this.#gone.set(path, known)
  }

  #failed(file: FoundFile, error: unknown): void {
    const { signal } = this.#options
    throwIfAborted(signal)
    if (!(error instanceof InvalidInputError)) throw error
    this.#report.read(file.state.size)
    this.#report.failed({ path: file.path, error })
  }

  #done({ path, state, hash, error }: PendingFile): void {
    this.#report.read(state.size)
    if (error) {
      this.#report.failed({ path, error } satisfies FileFailure)
      return
    }
    if (this.#known.has(path)) {
      this.#report.changed('changed')
      return
    }
    const before = this.#oldNames.get(hash)?.pop()
    if (before) this.#renamed.push(before)
    this.#report.changed(before ? 'renamed' : 'new')
  }

  #remove(): void {
    const gone = this.#goneForSure()
    this.#report.removed(gone.length - this.#renamed.length)
    removeFiles(
      this.#context.db,
      gone.map(({ id }) => id),
    )
  }

  /** Keeps what is done when an update ends early; the database itself may be why it does. */
  #writeQuietly(): void {
    try {
      this.#pending.write()
    } catch (error) {
      if (!(error instanceof EmbedderError)) throw error
    }
  }
}

function isMissing(error: unknown): boolean {
  return (
    error instanceof InvalidInputError &&
    (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
  )
}
