import { killedWhileIndexing } from '../../../integrations/search/killed.js'
import { TIMES } from '../../times.js'

killedWhileIndexing(800 * TIMES)
