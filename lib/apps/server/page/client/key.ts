/** The API key: asked for when the server wants one, kept for this tab only. */
import { byId } from './dom.js'

const STORED = 'bge-m3-api-key'

let inMemory = ''

export function apiKey(): string {
  try {
    return sessionStorage.getItem(STORED) ?? inMemory
  } catch {
    return inMemory // storage is forbidden
  }
}

function keep(key: string): void {
  inMemory = key
  try {
    if (key) sessionStorage.setItem(STORED, key)
    else sessionStorage.removeItem(STORED)
  } catch {
    // it holds until the page is closed
  }
}

/** Opens the dialog. Resolves to whether there is a key to try now. */
export function askForKey(why: string): Promise<boolean> {
  const dialog = byId<HTMLDialogElement>('key-dialog')
  const form = byId<HTMLFormElement>('key-form')
  const input = byId<HTMLInputElement>('key-input')
  byId('key-why').textContent = `${why} It is kept in this tab until you close it.`
  input.value = ''
  input.setCustomValidity('')
  return new Promise((resolve) => {
    const done = new AbortController()
    const { signal } = done
    const finish = (key: string | undefined) => {
      done.abort()
      if (key !== undefined) keep(key)
      input.value = '' // nothing of it stays in the document
      if (dialog.open) dialog.close()
      resolve(Boolean(key))
    }
    form.addEventListener(
      'submit',
      (event) => {
        event.preventDefault()
        const key = input.value.trim()
        // what an HTTP header can carry
        if (!/^[\x21-\x7e]+$/.test(key)) {
          input.setCustomValidity('A key has letters, digits and punctuation, without spaces.')
          input.reportValidity()
          return
        }
        finish(key)
      },
      { signal },
    )
    input.addEventListener('input', () => input.setCustomValidity(''), { signal })
    byId('key-forget').addEventListener('click', () => finish(''), { signal })
    byId('key-cancel').addEventListener('click', () => finish(undefined), { signal })
    dialog.addEventListener('close', () => finish(undefined), { signal }) // Escape
    dialog.showModal()
  })
}
