import { anomaliesAreFound, seeded, standins } from './anomalies.js'

anomaliesAreFound('seeded data of 256 dimensions', () => seeded(256))
anomaliesAreFound('embeddings of the tiny stand-in', () => standins('tiny'))
