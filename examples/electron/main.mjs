// The main process: windows and messages. The model lives in a utility process, so that neither a heavy
// job nor a crash of native code can touch the window.
import path from 'node:path'
import { connectEmbedder } from 'bge-m3-node/worker'
import { app, BrowserWindow, ipcMain, utilityProcess } from 'electron'

const here = import.meta.dirname

/** Starts the embedder's process, also again after a crash. The model lies beside the user's data: it is no part of the app. */
const startEmbedder = () =>
  utilityProcess.fork(path.join(here, 'embedder-service.mjs'), [app.getPath('userData')], {
    serviceName: 'embedder',
  })

let embedder

async function load({ signal, onProgress }) {
  embedder ??= await connectEmbedder(startEmbedder, {
    signal,
    onProgress: ({ received, total }) => onProgress({ stage: 'download', done: received, total }),
  })
  const { dimensions, standin, threads } = embedder.info
  return { dimensions, standin, threads }
}

async function embed(texts, { signal, onProgress }) {
  const results = await embedder.embed(texts, {
    signal,
    onProgress: ({ done, total }) => onProgress({ stage: 'embed', done, total }),
  })
  return results.map(({ dense }) => dense)
}

/** Jobs by the number the window gave them, so that it can cancel one. */
const jobs = new Map()

async function asJob(event, job, work) {
  const key = `${event.sender.id}:${job}`
  const controller = new AbortController()
  jobs.set(key, controller)
  const onProgress = (progress) => {
    if (!event.sender.isDestroyed()) event.sender.send('progress', job, progress)
  }
  try {
    return { value: await work({ signal: controller.signal, onProgress }) }
  } catch (error) {
    // an Error loses its code on the way to the window: send what the window shows
    const code = typeof error.code === 'string' ? error.code : error.name
    return { error: { code, message: error.message } }
  } finally {
    jobs.delete(key)
  }
}

ipcMain.handle('load', (event, job) => asJob(event, job, load))
ipcMain.handle('embed', (event, job, texts) =>
  asJob(event, job, (options) => embed(texts, options)),
)
ipcMain.on('cancel', (event, job) => jobs.get(`${event.sender.id}:${job}`)?.abort())

async function createWindow() {
  const window = new BrowserWindow({
    width: 720,
    height: 560,
    webPreferences: { preload: path.join(here, 'preload.cjs') },
  })
  await window.loadFile(path.join(here, 'index.html'))
}

app.on('window-all-closed', () => {
  if (process.platform !== 'darwin') app.quit()
})
app.on('activate', () => {
  if (BrowserWindow.getAllWindows().length === 0) createWindow()
})
app.on('will-quit', () => embedder?.close())

await app.whenReady()
await createWindow()
