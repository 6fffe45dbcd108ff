import { it } from 'vitest'
import { endlessStream } from './endless.js'

it('a stream without end takes the same memory', { timeout: 240_000 }, () => endlessStream(10_000))
