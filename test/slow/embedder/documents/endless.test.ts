import { it } from 'vitest'
import { endlessStream } from '../../../embedder/documents/endless.js'
import { TIMES } from '../../times.js'

const CHUNKS = 60_000 * TIMES

it(`${CHUNKS} chunks take the same memory`, { timeout: 600_000 + CHUNKS * 10 }, () =>
  endlessStream(CHUNKS),
)
