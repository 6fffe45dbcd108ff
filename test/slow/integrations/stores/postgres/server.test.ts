import { postgresServer } from '../../../../integrations/stores/postgres/server.js'
import { TIMES } from '../../../times.js'

postgresServer(10_000 * TIMES)
