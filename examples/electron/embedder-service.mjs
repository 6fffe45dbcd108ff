// The utility process: the embedder, and nothing else. A model that is not there is fetched into the folder.
import { serveEmbedder } from 'bge-m3-node/worker'

await serveEmbedder(process.parentPort, { cacheDir: process.argv[2] })
