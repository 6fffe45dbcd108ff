import { processesShare } from '../../cache/processes.js'
import { TIMES } from '../times.js'

processesShare({ entries: 12_000 * TIMES, rounds: 40 * TIMES })
