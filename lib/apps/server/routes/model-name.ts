import { basename } from 'node:path'
import type { ServerContext } from '../core/context.js'

/** What the API calls the model: as the server is told, else the name in its file, else the file's own. */
export function modelName({ config, info }: Pick<ServerContext, 'config' | 'info'>): string {
  const { name, model } = info
  return config.servedModelName ?? (name || basename(model).replace(/\.gguf$/i, ''))
}
