// A forked process that serves the embedder of its argument.
import { serveEmbedder } from '../../../../dist/worker.js'

await serveEmbedder(process, JSON.parse(process.argv[2]))
