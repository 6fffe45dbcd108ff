import { anomaliesAreFound, seeded, standins } from '../../quality/anomalies.js'

anomaliesAreFound('seeded data of 1,024 dimensions', () => seeded(1024))
anomaliesAreFound('embeddings of the tiny stand-in', () => standins('tiny'))
anomaliesAreFound('embeddings of the small stand-in', () => standins('small'))
