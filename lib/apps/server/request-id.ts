/** Request ids: taken from the client where they are harmless, and made here otherwise. */

import { createHash, randomUUID } from 'node:crypto'

/** Enough for UUIDs, trace ids and what people make up; nothing that could break a header or a log. */
const ACCEPTED = /^[\w.:-]{1,64}$/

/** The `x-request-id` of the answer: the client's own if it is one, else a new one. */
export function requestId(header: unknown): string {
  return typeof header === 'string' && ACCEPTED.test(header) ? header : randomUUID()
}

/**
 * The id as logs have it. Nothing that a client sends may reach a log in words, so an id that is more
 * than hexadecimal digits (a UUID, a trace id) is logged as the begin of its SHA-256.
 */
export function loggedId(id: string): string {
  if (/^[0-9a-f-]+$/i.test(id)) return id
  return `sha256:${createHash('sha256').update(id).digest('hex').slice(0, 16)}`
}
