import { fixedPointIsExact, instructionSetsAgree, mixesAreExact } from '../../embedder/exactness.js'
import { TIMES } from '../times.js'

mixesAreExact('tiny', 500 * TIMES)
mixesAreExact('small', 24 * TIMES)
instructionSetsAgree([
  ['small', 'bge-m3', 'block'],
  ['small', 'minilm', 'block'],
  ['small', 'bge-m3', 'fixed'],
  ['small', 'minilm', 'fixed'],
])
fixedPointIsExact([
  ['tiny', 60 * TIMES],
  ['small', 12 * TIMES],
])
