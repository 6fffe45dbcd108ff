import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'vitest'
import { loadMutants } from '../../embedder/hostile.js'
import { TIMES } from '../times.js'

const MUTATIONS = 400 * TIMES

it(
  `${MUTATIONS} mutated models: an embedding or a typed error`,
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'bge-m3-mutants-'))
    try {
      await loadMutants(directory, MUTATIONS)
    } finally {
      await rm(directory, { recursive: true })
    }
  },
  240_000 + MUTATIONS * 2000,
)
