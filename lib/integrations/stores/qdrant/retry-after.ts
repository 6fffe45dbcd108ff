/**
 * How long a server that answers 429 asks to be left alone.
 *
 * Qdrant's client reads the first character of `Retry-After` alone (30 seconds become 3) and gives no
 * headers with that error. So we look at the answers' headers ourselves, through the diagnostics channel
 * that Node's `fetch` publishes; a request is told from others by an id in its own headers.
 */

import { channel } from 'node:diagnostics_channel'

const CHANNEL = 'undici:request:headers'
/** Name of the header that carries the id. */
export const REQUEST_ID = 'x-request-id'

/** Longer is no pause but an outage. */
const LONGEST_MS = 5 * 60_000

/** Milliseconds from a `Retry-After` header: seconds, or a date. */
export function retryAfterMs(
  value: string | null | undefined,
  now = Date.now(),
): number | undefined {
  if (value === null || value === undefined) return undefined
  const ms = /^\s*\d+(\.\d+)?\s*$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_MS) : undefined
}

interface HeadersMessage {
  request?: { headers?: unknown }
  response?: { statusCode?: number; headers?: unknown }
}

/** Listens while `run` is under way. @returns what `run` gives, and the header of the answer to `id` */
export async function watchRetryAfter<T>(
  id: string,
  run: () => Promise<T>,
  onHeader: (value: string) => void,
): Promise<T> {
  const listener = (message: unknown) => {
    const { request, response } = message as HeadersMessage
    if (!Array.isArray(response?.headers) || !String(request?.headers).includes(id)) return
    const headers = response.headers.map(String)
    const at = headers.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === 'retry-after')
    const value = headers[at + 1]
    if (at >= 0 && value !== undefined) onHeader(value)
  }
  const events = channel(CHANNEL)
  events.subscribe(listener)
  try {
    return await run()
  } finally {
    events.unsubscribe(listener)
  }
}
