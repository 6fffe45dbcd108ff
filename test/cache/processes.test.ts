import { processesShare } from './processes.js'

processesShare({ entries: 2000, rounds: 8 })
