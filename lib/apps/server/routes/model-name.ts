import { basename } from 'node:path'
import type { LoadedReranker, ServerContext } from '../core/context.js'

/** What the API calls the re-ranker: the name in its file, else the file's own. */
export function rerankerName({ info: { name, model } }: LoadedReranker): string {
  return name || fileName(model)
}

/** What the API calls the model: as the server is told, else the name in its file, else the file's own. */
export function modelName({ config, info }: Pick<ServerContext, 'config' | 'info'>): string {
  const { name, model } = info
  return config.servedModelName ?? (name || fileName(model))
}

const fileName = (path: string) => basename(path).replace(/\.gguf$/i, '')
