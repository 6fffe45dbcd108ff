import { workersThatDie } from '../../../integrations/queue/crash.js'
import { TIMES } from '../../times.js'

workersThatDie(6000 * TIMES, 2000)
