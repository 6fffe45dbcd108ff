import { postgresServer } from './server.js'

postgresServer(800)
