/** The server's log for a terminal: its lines of JSON, written for people. */

import { Writable } from 'node:stream'

const LEVELS: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  40: 'warning',
  50: 'error',
  60: 'fatal',
}

/** @param out gets `12:03:04 POST /v1/embeddings 200, 12.3 ms, 3 texts, 45 tokens` and the like */
export function readableLog(out: NodeJS.WritableStream): Writable {
  return new Writable({
    decodeStrings: false,
    write(lines: string | Buffer, _encoding, done) {
      for (const line of String(lines).split('\n')) {
        if (line !== '') out.write(`${readable(line)}\n`)
      }
      done()
    },
  })
}

function readable(line: string): string {
  let record: Record<string, unknown>
  try {
    record = JSON.parse(line)
  } catch {
    return line
  }
  const { level, time, name: _, msg, ...rest } = record
  const clock = new Date(Number(time)).toTimeString().slice(0, 8)
  const label = LEVELS[Number(level)]
  return `${clock} ${label ? `${label}: ` : ''}${msg === 'request' ? requestLine(rest) : messageLine(msg, rest)}`
}

function requestLine({
  method,
  route,
  status,
  ms,
  texts,
  tokens,
}: Record<string, unknown>): string {
  const work = texts === undefined ? '' : `, ${texts} texts, ${tokens} tokens`
  return `${method} ${route} ${status}, ${ms} ms${work}`
}

function messageLine(message: unknown, rest: Record<string, unknown>): string {
  const members = Object.entries(rest).map(([name, value]) => {
    return `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`
  })
  return [message, ...members].join(' ')
}
