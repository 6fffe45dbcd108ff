/** The types of an index over files. */

import type { AbortSignalLike } from '../../common/abort.js'
import type { EmbedderError } from '../../common/errors.js'
import type { Snippet } from '../../common/snippet.js'
import type { Reranker } from '../../embedder/reranker.js'
import type { ScoreWeights } from '../../scoring/hybrid.js'

/** How files are cut into chunks; fixed when the index is made, since chunks of two kinds do not compare. */
export interface ChunkSettings {
  /** The most tokens of a chunk, `<s>` and `</s>` included. */
  maxTokens: number
  /** The most tokens that a chunk repeats of the one before it. */
  overlap: number
  /** Language of the texts for sentences and words (BCP 47). */
  language: string
}

/** Why something under the folder is not in the index, without being an error. */
export type SkipReason =
  /** Its name begins with a dot. */
  | 'hidden'
  /** A `.gitignore` or `.ignore` names it. */
  | 'ignored'
  /** `exclude` names it, or it is `node_modules`, or the store itself. */
  | 'excluded'
  /** Its name ends like no text, Markdown or HTML, and no `include` names it. */
  | 'type'
  /** It holds NUL bytes. */
  | 'binary'
  | 'too-large'
  /** It holds no letter or anything else to find. */
  | 'empty'
  /** A symbolic link, and `followSymlinks` is off; or one that leads to where we are already, or nowhere. */
  | 'symlink'
  /** A pipe, a socket, a device. */
  | 'special'
  /** Its name is no UTF-8. */
  | 'name'
  /** HTML, and the package `htmlparser2` is not installed. */
  | 'no-html-parser'

/** A file or folder that was left out. */
export interface SkippedPath {
  path: string
  reason: SkipReason
}

/** A file or folder that could not be read, or whose content is no text after all. */
export interface FileFailure {
  path: string
  error: EmbedderError
}

/** Which files belong into an index. What an update does not take is removed, so give the same every time. */
export interface UpdateOptions {
  /** Also files whose names match: patterns as in a `.gitignore`, such as `*.js` or `src/**`. */
  include?: readonly string[]
  /** Leave out what matches: patterns as in a `.gitignore`. */
  exclude?: readonly string[]
  /** Also what begins with a dot, but never `.git`. Default: false. */
  hidden?: boolean
  /** Obey `.gitignore` and `.ignore` files in and under the folder, and those of the repository around it. Default: true. */
  gitignore?: boolean
  /** Default: false. Loops end where they began. */
  followSymlinks?: boolean
  /** Bytes. Default: 10 MB. */
  maxFileSize?: number
  signal?: AbortSignalLike
  /** Called as work is done. */
  onProgress?: (progress: UpdateProgress) => void
}

/** How far an update is; told at most ten times a second. */
export interface UpdateProgress {
  /** `scan` while folders are read, then `embed`. */
  phase: 'scan' | 'embed'
  /** Files to look into, of all that were seen, and how many of them are done. */
  files: { seen: number; todo: number; done: number }
  /** Bytes of the files to look into, and how many of them are done. */
  bytes: { todo: number; done: number }
  chunks: { embedded: number; reused: number }
  /** Tokens embedded. */
  tokens: number
  /** Tokens a second since embedding began. */
  rate: number
  /** Seconds left at the speed so far; null before there is one. */
  eta: number | null
}

/** What an update did. */
export interface UpdateResult {
  files: {
    new: number
    changed: number
    /** New under this name, and known from one that is gone. */
    renamed: number
    unchanged: number
    removed: number
    skipped: number
    failed: number
  }
  chunks: {
    /** Put through the model now. */
    embedded: number
    /** Chunks of new or changed files, but with a text that the index has a vector of. */
    reused: number
  }
  /** Tokens embedded. */
  tokens: number
  seconds: number
  skippedBy: Partial<Record<SkipReason, number>>
  /** The first 1,000. A folder that is left out stands for all that is in it. */
  skipped: SkippedPath[]
  /** The first 1,000. */
  failures: FileFailure[]
}

/** By meaning and words, by meaning, by words. */
export type SearchMode = 'hybrid' | 'dense' | 'sparse'

/** How to search. */
export interface SearchOptions {
  /** The most hits. Default: 10. */
  limit?: number
  /** Default: hybrid, or dense where the model has no sparse head. */
  mode?: SearchMode
  /**
   * How hybrid mode joins its two lists of candidates. `weighted` (default): the weighted mean of the
   * scores, FlagEmbedding's `sparse+dense`. `rrf`: reciprocal ranks, 1 / (60 + rank), summed.
   */
  fusion?: 'weighted' | 'rrf'
  /** Weights of dense, sparse and ColBERT scores. Default: 1, 1, 1. */
  weights?: ScoreWeights
  /**
   * Puts the best so many (`true`: 20) in the order of FlagEmbedding's `colbert+sparse+dense`. Their
   * multi-vectors are computed now, which takes as long as embedding their texts.
   */
  rerank?: boolean | number
  /**
   * Puts them in order in place of `colbert+sparse+dense`: a `Reranker`. The score is then its relevance, 0 to
   * 1. `rerank` says how many; default: 20.
   */
  reranker?: Pick<Reranker, 'rerank'>
  signal?: AbortSignalLike
}

/** A chunk that an index holds. */
export interface IndexedChunk {
  /** `path#chunk`, or the id that a store was given. */
  id: string
  /** Absolute path of the file; null for what did not come from a file. */
  path: string | null
  /** Line of the file on which the chunk begins, from 1; null for what did not come from a file. */
  line: number | null
  /** Line on which it ends; null for what did not come from a file. */
  endLine: number | null
  /** Position among the file's chunks, from 0; null for what did not come from a file. */
  chunk: number | null
  /** The chunk's text; null where only vectors were stored. */
  text: string | null
  /** As it was stored; null for chunks of files. */
  metadata: Record<string, unknown> | null
}

/** A chunk that was found. */
export interface SearchHit extends IndexedChunk {
  /** Higher is better. What it is depends on `mode`, `fusion` and `rerank`. */
  score: number
  /** What the score was made of, as far as it was computed; `rerank` is a re-ranker's logit. */
  scores: { dense?: number; sparse?: number; colbert?: number; rerank?: number }
  /** The part of the text with the most different words of the query, and where those are; null without a text. */
  snippet: Snippet | null
}

/** What to read around a chunk. */
export interface ReadOptions {
  /** Chunks of the file before it, at most 100. Default: 0. */
  before?: number
  /** Chunks of the file behind it, at most 100. Default: 0. */
  after?: number
}

/** What an index holds. */
export interface IndexStats {
  /** The folder of the index. */
  store: string
  files: number
  chunks: number
  /** Different texts: each is embedded once. */
  vectors: number
  tokens: number
  /** On disk. */
  bytes: number
  /** What the index was made with; null before the first update. */
  model: IndexModel | null
  chunking: ChunkSettings | null
}

/** The model that an index was made with. */
export interface IndexModel {
  fingerprint: string
  name: string
  /** Path it was loaded from. */
  file: string
  dimensions: number
  /** Whether lexical weights are stored. */
  sparse: boolean
}
