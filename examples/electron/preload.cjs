// All that the window may ask for.
const { contextBridge, ipcRenderer } = require('electron')

contextBridge.exposeInMainWorld('embedder', {
  load: (job) => ipcRenderer.invoke('load', job),
  embed: (job, texts) => ipcRenderer.invoke('embed', job, texts),
  cancel: (job) => ipcRenderer.send('cancel', job),
  onProgress: (listener) =>
    ipcRenderer.on('progress', (_, job, progress) => listener(job, progress)),
})
