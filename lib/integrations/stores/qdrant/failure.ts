/** What became of a request that failed, in words that hold neither a text nor a key. */
import { isError } from '../../../common/realms.js'

/** Of Node's sockets and its `fetch`: the same request may work the next time. */
const PASSING = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
])
const PASSING_STATUS = new Set([408, 429, 500, 502, 503, 504])
const MOST_OF_A_MESSAGE = 300

export interface Failure {
  /** Of the answer, where there was one. */
  status: number | undefined
  /** Reads after `Qdrant at <address> `. */
  message: string
  /** The same request may work later. */
  transient: boolean
  retryAfter: string | undefined
  /** The request is larger than the server, or a proxy in front of it, takes. */
  tooLarge: boolean
}

/**
 * @param secret is left out of the message, whoever put it there
 * @param mayQuote the request held what users wrote: of the server's words none but known ones are passed on
 */
export function failureOf(error: unknown, secret: string | undefined, mayQuote = false): Failure {
  const { status, data, headers, cause, code, name, message, retry_after } = (error ?? {}) as {
    status?: unknown
    data?: unknown
    headers?: Headers
    cause?: unknown
    code?: unknown
    name?: unknown
    message?: unknown
    retry_after?: unknown
  }
  if (typeof status === 'number') {
    const words = saidBy(data)
    const said = mayQuote ? knownOf(words) : clean(words, secret)
    const retryAfter = headers?.get?.('retry-after') ?? undefined
    return {
      status,
      message: `answered ${status}${hintOf(status)}${said === '' ? '' : `: ${said}`}`,
      transient: PASSING_STATUS.has(status),
      retryAfter,
      // a proxy says 413; Qdrant itself says 400 and this
      tooLarge: status === 413 || (status === 400 && /larger than allowed/.test(said)),
    }
  }
  const base = { status: undefined, retryAfter: undefined, tooLarge: false }
  // the client has an error of its own for 429 with Retry-After, and one for a Retry-After it cannot read
  if (name === 'QdrantClientResourceExhaustedError' || isRetryAfterTrouble(error)) {
    // a first digit, for where nothing better is known
    const retryAfter = typeof retry_after === 'number' ? String(retry_after) : undefined
    const message = 'answered 429 (too many requests)'
    return { ...base, status: 429, message, transient: true, retryAfter }
  }
  const system = codeOf(cause) ?? codeOf({ code })
  if (system !== undefined) {
    return { ...base, message: `cannot be reached (${system})`, transient: PASSING.has(system) }
  }
  // a port that `fetch` refuses to speak to
  if (name === 'TypeError' && message === 'fetch failed') {
    return { ...base, message: 'cannot be reached', transient: false }
  }
  // an answer that ends in the middle: undici's TypeError `terminated`, or JSON that is cut off
  if (name === 'TypeError' || name === 'SyntaxError')
    return { ...base, message: 'did not answer to the end', transient: true }
  return { ...base, message: `gave an answer that is none of Qdrant's`, transient: false }
}

function isRetryAfterTrouble(error: unknown): boolean {
  return isError(error) && error.message.startsWith('Invalid retryAfter value')
}

function codeOf(error: unknown): string | undefined {
  const { code, errors } = (error ?? {}) as { code?: unknown; errors?: unknown[] }
  if (typeof code === 'string') return code
  // of several addresses of one host
  return Array.isArray(errors) ? codeOf(errors[0]) : undefined
}

function hintOf(status: number): string {
  if (status === 401 || status === 403)
    return ' (the API key is missing, wrong, or may not do this)'
  if (status === 429) return ' (too many requests)'
  return ''
}

/** Qdrant's own words: `{"status": {"error": "..."}}`. What else a body holds is not for a log. */
function saidBy(data: unknown): string {
  const { status } = (data ?? {}) as { status?: { error?: unknown } }
  return typeof status?.error === 'string' ? status.error : ''
}

/** What the server says of points, without anything of the points. */
const KNOWN = [
  /larger than allowed/,
  /Vector dimension error: expected dim: \d{1,9}, got \d{1,9}/,
  /Not existing vector name error/,
  /duplicate indices|must be unique/i,
]

function knownOf(words: string): string {
  return KNOWN.map((known) => known.exec(words)?.[0]).find((found) => found !== undefined) ?? ''
}

/** Without the key, and without anything quoted that is long enough to be a text. */
function clean(message: string, secret: string | undefined): string {
  const bare = secret ? message.replaceAll(secret, '***') : message
  const short = bare.replace(/(["'`])(?:(?!\1).){65,}\1/gs, '$1...$1').replace(/\s+/g, ' ')
  return short.length > MOST_OF_A_MESSAGE ? `${short.slice(0, MOST_OF_A_MESSAGE)}...` : short
}
