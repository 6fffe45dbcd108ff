/**
 * What goes over the port. Every message is an object with `MARK`; whatever else arrives is somebody else's.
 *
 *     outside                      inside
 *     hello                   ->
 *                             <-   here, loading ..., ready | failed
 *     call, abort             ->
 *                             <-   progress ..., done | error
 *     open (a stream)         ->
 *                             <-   need, drop (its source)
 *     give                    ->
 *     call next | return      ->
 *     close                   ->
 *                             <-   closed
 */

/** Names the protocol; its value is the version. */
const MARK = 'bge-m3-node'
const VERSION = 1

/** A message, once it is known to be one of ours. Each field is to be checked before it is used. */
export interface Message {
  readonly type: string
  readonly id?: unknown
  readonly [field: string]: unknown
}

export function mark(message: Message): object {
  return { [MARK]: VERSION, ...message }
}

/** Our message, if it is one. Electron's ports wrap it into an event's `data`. */
export function unmark(given: unknown): Message | undefined {
  for (const candidate of [given, Object(given).data]) {
    const { [MARK]: version, type } = Object(candidate) as { [MARK]?: unknown; type?: unknown }
    if (version === VERSION && typeof type === 'string') return candidate as Message
  }
  return undefined
}

/** How what a method gives is taken apart and put together again. */
export type ResultKind = 'plain' | 'embeddings' | 'chunks' | 'documents' | 'step'

interface Method {
  readonly result: ResultKind
  /** Place of the options among the arguments, where they hold `signal` and `onProgress`. */
  readonly options?: number
}

/** What may be called. `next` and `return` are a stream's. */
export const METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['embed', { result: 'embeddings', options: 1 }],
  ['embedTokens', { result: 'embeddings', options: 1 }],
  ['embedChunks', { result: 'chunks', options: 1 }],
  ['embedDocuments', { result: 'documents', options: 1 }],
  ['estimate', { result: 'plain', options: 1 }],
  ['rerank', { result: 'plain', options: 2 }],
  ['tokenize', { result: 'plain' }],
  ['countTokens', { result: 'plain' }],
  ['pieces', { result: 'plain' }],
  ['decode', { result: 'plain' }],
  ['lexicalWeights', { result: 'plain' }],
  ['warmup', { result: 'plain' }],
  ['diagnose', { result: 'plain' }],
  ['stats', { result: 'plain' }],
  ['unload', { result: 'plain' }],
])
