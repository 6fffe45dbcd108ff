import { mixedJob } from '../../embedder/mixed-job.js'
import { TIMES } from '../times.js'

mixedJob(10_000 * TIMES)
