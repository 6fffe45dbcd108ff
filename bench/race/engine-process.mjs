// The race's side of child.mjs.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export class EngineProcess {
  #child
  #next = 0
  #waiting = new Map()

  /** @param env what this engine's process gets beside ours */
  constructor(env = {}) {
    this.#child = fork(fileURLToPath(new URL('child.mjs', import.meta.url)), {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#child.on('message', ({ id, value, error }) => {
      const { resolve, reject } = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error) reject(new Error(error))
      else resolve(value)
    })
    this.#child.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(`the engine's process ended: ${signal ?? code}`))
      }
      this.#waiting.clear()
    })
  }

  ask(operation, rest = {}) {
    return new Promise((resolve, reject) => {
      const id = this.#next++
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, operation, ...rest })
    })
  }

  async close() {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    await this.ask('close').catch(() => this.#child.kill())
    // some engines keep threads that hold the process
    const patience = setTimeout(() => this.#child.kill('SIGKILL'), 5000)
    await ended
    clearTimeout(patience)
  }
}
