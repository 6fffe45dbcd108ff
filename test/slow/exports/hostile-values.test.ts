import { hostileValuesAreRefused } from '../../exports/hostile-values.js'
import { TIMES } from '../times.js'

hostileValuesAreRefused(1000 * TIMES)
