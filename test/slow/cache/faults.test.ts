import { damagedStores } from '../../cache/damage.js'
import { TIMES } from '../times.js'

damagedStores(500 * TIMES)
