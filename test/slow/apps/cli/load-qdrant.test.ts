import { killedAndResumed } from '../../../apps/cli/killed-qdrant.js'
import { TIMES } from '../../times.js'

killedAndResumed(10_000 * TIMES)
