import { standsLoad } from '../../../apps/server/load.js'
import { TIMES } from '../../times.js'

standsLoad(30 * TIMES)
