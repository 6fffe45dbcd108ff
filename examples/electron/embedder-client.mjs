// The main process's side of the utility process: calls become promises, a process that ended is
// started again by the next call.

/** The utility process ended while a call was open; the next call starts a new one. */
export class EmbedderCrashedError extends Error {
  name = 'EmbedderCrashedError'
  code = 'EMBEDDER_CRASHED'
}

export class EmbedderClient {
  #fork
  #child
  #loaded
  #next = 1
  #calls = new Map()

  /** @param fork starts the utility process */
  constructor(fork) {
    this.#fork = fork
  }

  /**
   * Loads the model, fetching it first if there is none.
   *
   * @param settings `{ model?, models }`: a GGUF, or the folder that `bge-m3 model pull` fills
   * @returns `{ dimensions, standin, threads }`
   */
  async load(settings, options) {
    const info = await this.#call('load', settings, options)
    this.#loaded = settings
    return info
  }

  /** @returns a Float32Array per text, in order */
  embed(texts, options) {
    return this.#call('embed', texts, options)
  }

  stop() {
    this.#child?.kill()
  }

  async #call(type, value, { signal, onProgress } = {}) {
    signal?.throwIfAborted()
    const id = this.#next++
    const child = this.#start()
    return new Promise((resolve, reject) => {
      const cancel = () => child.postMessage({ id, type: 'cancel' })
      signal?.addEventListener('abort', cancel, { once: true })
      const settle = (how) => (result) => {
        signal?.removeEventListener('abort', cancel)
        this.#calls.delete(id)
        how(result)
      }
      this.#calls.set(id, { resolve: settle(resolve), reject: settle(reject), onProgress })
      child.postMessage({ id, type, value })
    })
  }

  #start() {
    if (this.#child) return this.#child
    const child = this.#fork()
    this.#child = child
    child.on('message', ({ id, type, value }) => {
      const call = this.#calls.get(id)
      if (type === 'progress') call?.onProgress?.(value)
      else if (type === 'result') call?.resolve(value)
      else call?.reject(Object.assign(new Error(value.message), value))
    })
    child.on('exit', (code) => {
      this.#child = undefined
      const error = new EmbedderCrashedError(`The embedder's process ended with code ${code}.`)
      for (const { reject } of [...this.#calls.values()]) reject(error)
    })
    // started again after a crash: texts that follow wait for its model
    if (this.#loaded) child.postMessage({ id: 0, type: 'load', value: this.#loaded })
    return child
  }
}
