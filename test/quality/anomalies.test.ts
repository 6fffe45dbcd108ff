/** test/slow/quality/anomalies.test.ts has embeddings of stand-ins as well. */
import { anomaliesAreFound, seeded } from './anomalies.js'

anomaliesAreFound('seeded data of 256 dimensions', () => seeded(256))
