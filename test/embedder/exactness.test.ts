/** test/slow/embedder/exactness.test.ts mixes more of them, on all models. */
import { fixedPointIsExact, instructionSetsAgree, mixesAreExact } from './exactness.js'

mixesAreExact('tiny', 100)
mixesAreExact('small', 5)
instructionSetsAgree([
  ['tiny', 'bge-m3', 'block'],
  ['tiny', 'bge-m3', 'fixed'],
])
fixedPointIsExact([['tiny', 20]])
