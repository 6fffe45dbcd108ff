/**
 * Stand-ins with the exact interfaces of Electron's `UtilityProcess` and `MessagePortMain`, after
 * https://www.electronjs.org/docs/latest/api/utility-process, .../parent-port and .../message-port-main:
 * `postMessage` throws for a transfer list that holds anything but ports, `message` brings the message itself in the
 * main process and an event with `data` and `ports` elsewhere, `kill` takes no signal, `pid` is gone after `exit`, and
 * there are neither `ref` nor `unref`.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { EventEmitter } from 'node:events'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { MessageChannel, type MessagePort } from 'node:worker_threads'

const SHIM = path.resolve(import.meta.dirname, '../../electron/fake-utility.mjs')

function checkTransfer(transfer: readonly unknown[] | undefined): void {
  if (transfer?.every((port) => port instanceof FakeMessagePortMain) === false) {
    throw new TypeError('Invalid value for transfer')
  }
}

/** What `utilityProcess.fork` gives. */
export class FakeUtilityProcess extends EventEmitter {
  pid: number | undefined
  readonly #child: ChildProcess

  constructor(modulePath: string, args: string[] = []) {
    super()
    this.#child = fork(modulePath, args, {
      serialization: 'advanced',
      execArgv: ['--import', pathToFileURL(SHIM).href],
    })
    this.pid = this.#child.pid
    this.#child.on('spawn', () => this.emit('spawn'))
    this.#child.on('message', (message) => this.emit('message', message))
    this.#child.on('exit', (code) => {
      this.emit('exit', code ?? 1)
      this.pid = undefined
    })
  }

  postMessage(message: unknown, transfer?: readonly FakeMessagePortMain[]): void {
    checkTransfer(transfer)
    this.#child.send(message as object, () => {})
  }

  kill(): boolean {
    return this.#child.kill()
  }
}

/** One end of `new MessageChannelMain()`. */
class FakeMessagePortMain extends EventEmitter {
  readonly #port: MessagePort

  constructor(port: MessagePort) {
    super()
    this.#port = port
    port.on('close', () => this.emit('close'))
  }

  postMessage(message: unknown, transfer?: readonly FakeMessagePortMain[]): void {
    checkTransfer(transfer)
    this.#port.postMessage(message)
  }

  start(): void {
    this.#port.on('message', (data) => this.emit('message', { data, ports: [] }))
  }

  close(): void {
    this.#port.close()
  }
}

export function fakeMessageChannelMain(): {
  port1: FakeMessagePortMain
  port2: FakeMessagePortMain
} {
  const { port1, port2 } = new MessageChannel()
  return { port1: new FakeMessagePortMain(port1), port2: new FakeMessagePortMain(port2) }
}
