/** What the tests of fetching models by name share: a hub, a cache directory, and checkpoints to convert. */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import type { FetchOptions } from '../../../lib/model/fetch/context.js'
import { ensureModel } from '../../../lib/model/fetch/ensure.js'
import { standinPath } from '../../helpers/standins.js'
import { HASTE, useHub } from '../hub/fixtures.js'
import { writeCheckpoint } from '../writers/checkpoint.js'

/** `useHub`, and `ensure` that fetches from it into `dir`. */
export function useEnsure() {
  const fixture = useHub()
  const notices: string[] = []
  const ensure = (model: string, options: FetchOptions = {}) => {
    notices.length = 0
    const { dir, hub } = fixture
    const network = { endpoint: hub.endpoint, patience: HASTE }
    const onNotice = (line: string) => notices.push(line)
    return ensureModel(model, { cacheDir: dir, ...network, onNotice, ...options })
  }
  return { fixture, notices, ensure }
}

/** Files of an XLM-RoBERTa checkpoint with random weights, by their paths. */
export function useCheckpoint(): { directory: string; files: Record<string, Buffer> } {
  const checkpoint = { directory: '', files: {} as Record<string, Buffer> }
  beforeAll(async () => {
    checkpoint.directory = await mkdtemp(join(tmpdir(), 'bge-m3-checkpoint-'))
    const model = await standinPath({ size: 'tiny', type: 'f32', vocabSize: 600 })
    const options = { weights: 'safetensors', heads: false } as const
    await writeCheckpoint(model, checkpoint.directory, options)
    const entries = await readdir(checkpoint.directory, { recursive: true, withFileTypes: true })
    for (const entry of entries.filter((one) => one.isFile())) {
      const path = join(entry.parentPath ?? entry.path, entry.name)
      checkpoint.files[path.slice(checkpoint.directory.length + 1)] = await readFile(path)
    }
  })
  afterAll(() => rm(checkpoint.directory, { recursive: true }))
  return checkpoint
}
