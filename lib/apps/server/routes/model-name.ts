import { basename } from 'node:path'
import type { EmbedderInfo } from '../../../common/types.js'

/** What the API calls the model: the name in its file, else the file's own. */
export function modelName({ name, model }: EmbedderInfo): string {
  return name || basename(model).replace(/\.gguf$/i, '')
}
