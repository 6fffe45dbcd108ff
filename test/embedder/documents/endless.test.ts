import { it } from 'vitest'
import { endlessStream } from './endless.js'

it('a stream without end takes the same memory', () => endlessStream(10_000))
