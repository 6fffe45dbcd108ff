/** Which of several GGUFs is taken. */

/** Formats by how near they are to the checkpoint at the speed of this engine: the first that is there is taken. */
const BY_PREFERENCE = ['q8_0', 'f16', 'bf16', 'f32']

const SPLIT = /-\d{5}-of-\d{5}\.gguf$/i

/**
 * Q8_0 if it is there, else F16, BF16, F32, else the only one; or the one of the format that is named.
 *
 * @param paths of all files of a repository or a folder
 * @returns undefined where there is none, or several that nothing tells apart
 */
export function chooseGguf(paths: readonly string[], quant?: string): string | undefined {
  const models = paths.filter((path) => /\.gguf$/i.test(path) && !SPLIT.test(path)).sort()
  if (quant !== undefined) return models.find((path) => isOf(path, quant))
  for (const format of BY_PREFERENCE) {
    const found = models.find((path) => isOf(path, format))
    if (found !== undefined) return found
  }
  return models.length === 1 ? models[0] : undefined
}

/** Whether the name ends with the format, as `model.Q8_0.gguf` and `model-q8_0.gguf` do. */
function isOf(path: string, quant: string): boolean {
  const name = path.toLowerCase().replace(/\.gguf$/, '')
  return name === quant || ['-', '.', '_', '/'].some((mark) => name.endsWith(`${mark}${quant}`))
}
