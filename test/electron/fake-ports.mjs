// Stand-ins with the exact interfaces of Electron's `UtilityProcess` and `MessagePortMain`, after
// https://www.electronjs.org/docs/latest/api/utility-process, .../parent-port and .../message-port-main:
// `postMessage` throws for a transfer list that holds anything but ports, `message` brings the message itself in the
// main process and an event with `data` and `ports` elsewhere, `kill` takes no signal, `pid` is gone after `exit`, and
// there are neither `ref` nor `unref`.
import { fork } from 'node:child_process'
import { EventEmitter } from 'node:events'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { MessageChannel } from 'node:worker_threads'

const SHIM = pathToFileURL(path.join(import.meta.dirname, 'fake-utility.mjs')).href

function checkTransfer(transfer) {
  if (transfer?.every((port) => port instanceof FakeMessagePortMain) === false) {
    throw new TypeError('Invalid value for transfer')
  }
}

/** What `utilityProcess.fork` gives. */
export class FakeUtilityProcess extends EventEmitter {
  /** @type {number | undefined} */
  pid
  #child

  /** @param {string} modulePath @param {string[]} args */
  constructor(modulePath, args = []) {
    super()
    this.#child = fork(modulePath, args, {
      serialization: 'advanced', // structured clone, as between Electron's processes
      execArgv: ['--import', SHIM],
    })
    this.pid = this.#child.pid
    this.#child.on('spawn', () => this.emit('spawn'))
    this.#child.on('message', (message) => this.emit('message', message))
    this.#child.on('exit', (code) => {
      this.emit('exit', code ?? 1)
      this.pid = undefined
    })
  }

  /** @param {any} message @param {readonly FakeMessagePortMain[]} [transfer] */
  postMessage(message, transfer) {
    checkTransfer(transfer)
    this.#child.send(message, () => {})
  }

  kill() {
    return this.#child.kill()
  }
}

/** One end of `new MessageChannelMain()`. */
export class FakeMessagePortMain extends EventEmitter {
  #port

  /** @param {import('node:worker_threads').MessagePort} port */
  constructor(port) {
    super()
    this.#port = port
    port.on('close', () => this.emit('close'))
  }

  /** @param {unknown} message @param {readonly FakeMessagePortMain[]} [transfer] */
  postMessage(message, transfer) {
    checkTransfer(transfer)
    this.#port.postMessage(message)
  }

  /** Messages are queued until then. */
  start() {
    this.#port.on('message', (data) => this.emit('message', { data, ports: [] }))
  }

  close() {
    this.#port.close()
  }
}

export function fakeMessageChannelMain() {
  const { port1, port2 } = new MessageChannel()
  return { port1: new FakeMessagePortMain(port1), port2: new FakeMessagePortMain(port2) }
}
