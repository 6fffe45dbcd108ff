// `process.parentPort` of an Electron utility process, over Node's IPC.
import { EventEmitter } from 'node:events'

const port = new EventEmitter()
port.postMessage = (message) => process.send(message)
// as Electron's: messages wait until somebody listens
port.once('newListener', () =>
  process.on('message', (data) => port.emit('message', { data, ports: [] })),
)
process.parentPort = port
