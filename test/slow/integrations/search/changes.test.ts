import { changesAreFollowed } from '../../../integrations/search/changes.js'
import { TIMES } from '../../times.js'

changesAreFollowed(150 * TIMES)
