// Electron's utility process, as far as fake-electron.mjs has it.
import { serveEmbedder } from '../../../../dist/worker.js'

await serveEmbedder(process.parentPort, JSON.parse(process.argv[2]))
