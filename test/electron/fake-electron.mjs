// The part of Electron's interface that examples/electron uses, on plain Node: `utilityProcess` comes from
// fake-ports.mjs. The test drives the window's side over
// IPC: {call: [channel, ...args]} and {send: [channel, ...args]} in, {answer} and {sent} out.
import { EventEmitter } from 'node:events'
import path from 'node:path'
import { FakeUtilityProcess } from './fake-ports.mjs'

const handlers = new Map()
const listeners = new EventEmitter()
const sender = {
  id: 1,
  isDestroyed: () => false,
  send: (...sent) => process.send({ sent }),
}

class App extends EventEmitter {
  getPath = () => process.env.FAKE_USER_DATA
  whenReady = async () => {}
  quit = () => process.disconnect()
}
export const app = new App()

export class BrowserWindow {
  static getAllWindows = () => []

  constructor({ webPreferences }) {
    // an absolute preload script and an isolated window, as Electron wants them
    if (!path.isAbsolute(webPreferences.preload)) throw new Error('preload is no absolute path')
    if (webPreferences.nodeIntegration || webPreferences.contextIsolation === false) {
      throw new Error('the window must stay isolated')
    }
  }

  async loadFile(file) {
    process.send({ window: file })
  }
}

export const ipcMain = {
  handle: (channel, handler) => handlers.set(channel, handler),
  on: (channel, listener) => listeners.on(channel, listener),
}

let started
process.on('message', async ({ id, call, send, crash }) => {
  if (send) return listeners.emit(send[0], { sender }, ...send.slice(1))
  if (crash) return process.kill(started.pid, 'SIGKILL')
  const [channel, ...args] = call
  const answer = await handlers.get(channel)({ sender }, ...args)
  process.send({ id, answer })
})
process.on('disconnect', () => app.emit('will-quit'))

export const utilityProcess = {
  fork(file, args, { serviceName }) {
    started = new FakeUtilityProcess(file, args)
    process.send({ utility: { file, serviceName, pid: started.pid } })
    return started
  },
}
