/** Calls to the server. Texts travel in bodies, never in addresses. */
import { apiKey, askForKey } from './key.js'

export class ApiError extends Error {
  readonly status: number
  /** The text that is to blame, where the server says so: the query, or a passage's position. */
  readonly text: 'query' | number | undefined

  constructor(message: string, status: number, text?: 'query' | number) {
    super(message)
    this.status = status
    this.text = text
  }
}

/**
 * POSTs JSON and resolves to the answer's. A key that is missing or wrong is asked for, and the call
 * made again.
 *
 * @throws ApiError with a message for people; the signal's reason
 */
export async function post(path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
  for (;;) {
    try {
      return await call(path, signal, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) throw error
      const why = apiKey() ? 'The server refused that key.' : 'This server asks for an API key.'
      if (!(await askForKey(why))) throw error
    }
  }
}

/** @throws ApiError, of status 401 when a key is missing; the signal's reason */
export function get(path: string, signal: AbortSignal): Promise<unknown> {
  return call(path, signal, {})
}

async function call(path: string, signal: AbortSignal, init: RequestInit): Promise<unknown> {
  const headers = new Headers(init.headers)
  const key = apiKey()
  if (key) headers.set('authorization', `Bearer ${key}`)
  let response: Response
  let answer: unknown
  try {
    response = await fetch(path, { ...init, headers, signal, cache: 'no-store' })
    answer = await response.json().catch(() => undefined)
  } catch {
    signal.throwIfAborted()
    throw new ApiError('The server does not answer. Is it still running?', 0)
  }
  signal.throwIfAborted()
  if (response.ok && answer !== undefined) return answer
  throw new ApiError(inWords(response, answer), response.status, textOf(answer))
}

function inWords(response: Response, answer: unknown): string {
  const message = messageOf(answer) ?? `The server answered with status ${response.status}.`
  const wait = Number(response.headers.get('retry-after'))
  return wait > 0 ? `${message} Try again in ${wait} s.` : message
}

/** OpenAI's `{ error: { message } }`, TEI's `{ error }`, or `{ message }`. */
function messageOf(answer: unknown): string | undefined {
  const { error, message } = (answer ?? {}) as { error?: unknown; message?: unknown }
  const inner = (error as { message?: unknown } | null | undefined)?.message
  return [inner, message, error].find((value) => typeof value === 'string' && value !== '') as
    | string
    | undefined
}

/** From `param`: `query`, or `passages[2]`. */
function textOf(answer: unknown): 'query' | number | undefined {
  const { param } = (answer as { error?: { param?: unknown } } | undefined)?.error ?? {}
  if (param === 'query') return 'query'
  const index = typeof param === 'string' ? /^passages\[(\d+)\]$/.exec(param)?.[1] : undefined
  return index === undefined ? undefined : Number(index)
}
