/** API keys, compared in constant time. */

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { FastifyRequest } from 'fastify'
import { InvalidInputError } from '../../common/errors.js'
import { decodeUtf8 } from '../../common/utf8.js'
import { HttpError } from './core/errors.js'
import type { ServerConfig } from './core/options.js'

/** The keys of the configuration and of its key file, one a line; `#` starts a comment. */
export async function readKeys({ apiKey = [], apiKeyFile }: ServerConfig): Promise<string[]> {
  if (apiKeyFile === undefined) return apiKey
  const bytes = await readFile(apiKeyFile).catch((cause) => {
    throw new InvalidInputError(`The key file ${apiKeyFile} cannot be read.`, { cause })
  })
  const file = decodeUtf8(bytes, `The key file ${apiKeyFile}`)
  const lines = file.split('\n').map((line) => line.replace(/^#.*/, '').trim())
  const keys = [...apiKey, ...lines.filter((line) => line !== '')]
  // an empty file must not open the server to everybody
  if (keys.length === 0) throw new InvalidInputError(`The key file ${apiKeyFile} holds no key.`)
  return keys
}

/**
 * A check of requests for one of `keys`, as `Authorization: Bearer KEY` or `x-api-key: KEY`; without
 * keys everybody passes. What is compared are digests of one length under a key of this process, and
 * all of them each time, so that the time tells nothing.
 */
export function authenticator(keys: readonly string[]): (request: FastifyRequest) => void {
  if (keys.length === 0) return () => {}
  const secret = randomBytes(32)
  const digest = (text: string) => createHmac('sha256', secret).update(text).digest()
  const known = keys.map(digest)
  return (request) => {
    const given = digest(keyOf(request))
    let matches = 0
    for (const key of known) matches |= Number(timingSafeEqual(key, given))
    if (matches === 0) {
      throw new HttpError(
        401,
        'invalid_api_key',
        'An API key is needed: Authorization: Bearer KEY, or x-api-key: KEY.',
      )
    }
  }
}

function keyOf({ headers }: FastifyRequest): string {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')
  if (bearer) return bearer[1] as string
  const key = headers['x-api-key']
  return typeof key === 'string' ? key.trim() : ''
}
