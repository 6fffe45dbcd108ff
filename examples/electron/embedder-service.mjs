// The utility process: one embedder, asked by messages. Runs no code of the window's.
import { Embedder } from 'bge-m3-node'
import { pullModel } from 'bge-m3-node/model'

const port = process.parentPort
const running = new Map()
let loaded = Promise.reject(Object.assign(new Error('No model is loaded.'), { code: 'NOT_LOADED' }))
loaded.catch(() => {}) // whoever embeds hears of it

const operations = {
  async load({ model, models }, { signal, onProgress }) {
    loaded.then((before) => before.dispose()).catch(() => {})
    loaded = open(model, models, signal, onProgress)
    const { dimensions, standin, threads } = (await loaded).info
    return { dimensions, standin, threads }
  },
  async embed(texts, { signal, onProgress }) {
    const m3 = await loaded
    const results = await m3.embed(texts, {
      signal,
      onProgress: ({ done, total }) => onProgress({ stage: 'embed', done, total }),
    })
    return results.map(({ dense }) => dense)
  },
}

/** The named model, or bge-m3: what an earlier start fetched, or a download that resumes and is checked. */
async function open(named, models, signal, onProgress) {
  const fetched = named ?? (await pull(models, signal, onProgress))
  return Embedder.load({ model: fetched })
}

async function pull(dir, signal, onProgress) {
  const { model } = await pullModel({
    dir,
    signal,
    onProgress: ({ received, total }) => onProgress({ stage: 'download', done: received, total }),
  })
  return model
}

port.on('message', async ({ data: { id, type, value } }) => {
  if (type === 'cancel') return running.get(id)?.abort()
  const controller = new AbortController()
  running.set(id, controller)
  const onProgress = (progress) => port.postMessage({ id, type: 'progress', value: progress })
  try {
    const result = await operations[type](value, { signal: controller.signal, onProgress })
    port.postMessage({ id, type: 'result', value: result })
  } catch (error) {
    // an AbortError's code is a number
    const code = typeof error.code === 'string' ? error.code : error.name
    port.postMessage({ id, type: 'error', value: { code, message: error.message } })
  } finally {
    running.delete(id)
  }
})
