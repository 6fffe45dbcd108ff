import { fuzzCheckpoints } from '../../model/fuzz.js'
import { TIMES } from '../times.js'

fuzzCheckpoints(3000 * TIMES)
