/** Everything a server or a line can do wrong: the right bytes in the end, or a clear error. */

import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { DownloadError, IntegrityError } from '../../../lib/common/errors.js'
import { pullModel } from '../../../lib/model/hub/pull.js'
import type { FilePin } from '../../../lib/model/pins.js'
import { errorOf, expectBytes, HASTE, namesIn, noise, useHub } from './fixtures.js'
import {
  type Behaviour,
  chunked,
  cutAfter,
  hangUp,
  ignoreRange,
  sha256,
  silence,
  stallAfter,
  status,
  TestHub,
} from './test-hub.js'

const fixture = useHub()
const content = noise(60_000)

type Options = NonNullable<Parameters<typeof pullModel>[0]>

function pull(file: FilePin, more: Options = {}) {
  return pullModel({
    dir: fixture.dir,
    endpoint: fixture.hub.endpoint,
    files: [file],
    ...more,
    patience: { ...HASTE, ...more.patience },
  })
}

async function expectWhole(): Promise<void> {
  await expectBytes(join(fixture.dir, 'm.gguf'), content)
  expect(await namesIn(fixture.dir)).toEqual(['m.gguf', 'm.gguf.json'])
}

async function expectNothing(): Promise<void> {
  expect(await namesIn(fixture.dir)).toEqual([])
}

describe('a connection that breaks', () => {
  it('at every byte of a small file is resumed each time', async () => {
    const { hub, dir } = fixture
    const small = noise(260, 3)
    const pin = hub.add('m.gguf', small)
    hub.always = cutAfter(1)
    await pull(pin, { patience: { baseDelay: 0 } })
    await expectBytes(join(dir, 'm.gguf'), small)
    const ranges = hub.downloads.map((request) => request.headers.range)
    expect(ranges).toEqual(small.toJSON().data.map((_, i) => (i === 0 ? undefined : `bytes=${i}-`)))
  })

  it('at random bytes, or is reset, costs nothing but the retry', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    let seed = 7
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed % below
    }
    hub.always = (request, response, self) => {
      const kind = random(10)
      if (kind === 0) return hangUp(request, response, self)
      if (kind === 1) return status(503)(request, response, self)
      self.serve(request, response, { limit: random(5_000) })
      return true
    }
    const result = await pull(pin, { patience: { baseDelay: 0, retries: 20, firstRetries: 20 } })
    expect(result.files[0]?.transferred).toBe(content.length)
    await expectWhole()
  })

  it('for good is an error that says what to do, and what arrived is kept', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.plan = [cutAfter(20_000)]
    hub.always = hangUp
    const error = await errorOf(pull(pin))
    expect(error).toBeInstanceOf(DownloadError)
    expect(error.message).toMatch(/ECONNRESET.*goes on from there.*put it at .*m\.gguf/)
    expect((await stat(join(fixture.dir, 'm.gguf.part'))).size).toBe(20_000)
    expect(hub.downloads).toHaveLength(1 + 6)
    hub.always = undefined
    expect((await pull(pin)).files[0]?.transferred).toBe(40_000)
    await expectWhole()
  })
})

describe('a hub that cannot be reached', () => {
  it.each([
    ['a name that does not exist', 'http://hub.invalid', /hub\.invalid/],
    ['a port where nobody listens', 'http://127.0.0.1:9', /ECONNREFUSED/],
  ])('%s: gives up soon, and says what to do', async (_, endpoint, message) => {
    const pin = fixture.hub.add('m.gguf', content)
    const error = await errorOf(pull(pin, { endpoint }))
    expect(error).toBeInstanceOf(DownloadError)
    expect(error.message).toMatch(message)
    expect(error.message).toMatch(/HF_ENDPOINT/)
    expect(error.message).toContain(`put it at ${join(fixture.dir, 'm.gguf')}`)
    await expectNothing()
  })

  it('that never answers counts as not reached', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.always = silence
    const error = await errorOf(pull(pin, { patience: { responseTimeout: 60 } }))
    expect(error.message).toMatch(/did not answer for 0\.1 s.*Check the network/)
    expect(hub.seen).toHaveLength(3)
  })
})

describe('a server that stalls', () => {
  it('is left and asked again', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.plan = [stallAfter(10_000), stallAfter(10_000), silence, stallAfter(0)]
    const patience = { stallTimeout: 120, responseTimeout: 120 }
    expect((await pull(pin, { patience })).files[0]?.transferred).toBe(content.length)
    await expectWhole()
  })

  it('always, is an error', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.always = stallAfter(0)
    const error = await errorOf(pull(pin, { patience: { stallTimeout: 40, retries: 2 } }))
    expect(error).toBeInstanceOf(DownloadError)
    expect(error.message).toMatch(/sent nothing for/)
    await expectNothing()
  })
})

describe('a server with other bytes', () => {
  const other = Buffer.from(content)
  other[59_999] = (other[59_999] ?? 0) ^ 0x80

  const sends = (bytes: Buffer): Behaviour => {
    return (request, response, hub) => {
      hub.serve(request, response, { content: bytes })
      return true
    }
  }
  const cases: [string, Behaviour, RegExp][] = [
    ['of the same length', ignoreRange({}), /its sha256 is [0-9a-f]{64}/],
    ['that are too short', sends(content.subarray(1)), /it has 59999 bytes/],
    ['that are too long', sends(Buffer.concat([content, content])), /it has 120000 bytes/],
    [
      'that are too long, without a length',
      chunked(Buffer.concat([content, content])),
      /it is longer/,
    ],
    [
      'that are a login page',
      status(200, { 'content-type': 'text/html; charset=utf-8' }, '<html>Please log in'),
      /it is a web page/,
    ],
  ]
  it.each(cases)('%s: refuses them and keeps nothing', async (kind, behaviour, message) => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    if (kind === 'of the same length') hub.files.set('/test/model/resolve/r1/m.gguf', other)
    hub.always = behaviour
    const error = await errorOf(pull(pin))
    expect(error).toBeInstanceOf(IntegrityError)
    expect(error.message).toMatch(message)
    expect(error.message).toContain('HF_ENDPOINT')
    await expectNothing()
    expect(hub.seen).toHaveLength(1)
  })

  it('that ends too soon, without a length: asks for the rest', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.plan = [chunked(content.subarray(0, 30_000))]
    await pull(pin)
    await expectWhole()
    expect(hub.seen[1]?.headers.range).toBe('bytes=30000-')
  })

  it('that says it has more than it sends: asks for the rest, then believes it', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.files.set('/test/model/resolve/r1/m.gguf', content.subarray(0, 50_000))
    hub.plan = [ignoreRange({ 'content-length': 60_000 }, 50_000)]
    const error = await errorOf(pull(pin))
    expect(error).toBeInstanceOf(IntegrityError)
    expect(error.message).toContain('it has 50000 bytes')
    await expectNothing()
  })

  it.each([
    ['a login page', status(200, { 'content-type': 'text/html' }, '<html>')],
    ['something short', status(200, { 'content-length': 6 }, 'error!')],
    ['another redirect', status(302, { location: '/x', 'x-linked-etag': `"${'e'.repeat(64)}"` })],
  ])('%s in the middle does not cost what has arrived', async (_, behaviour) => {
    const { hub, dir } = fixture
    const pin = hub.add('m.gguf', content)
    hub.files.set('/x', content)
    hub.plan = [cutAfter(30_000), behaviour]
    await expect(pull(pin)).rejects.toThrow(IntegrityError)
    expect((await stat(join(dir, 'm.gguf.part'))).size).toBe(30_000)
    expect((await pull(pin)).files[0]?.transferred).toBe(30_000)
    await expectWhole()
  })

  it('that compresses although nobody asked for it: refuses', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.plan = [chunked(content, { 'content-encoding': 'gzip' })]
    await expect(pull(pin)).rejects.toThrow(/encoding gzip/)
    await expectNothing()
    expect(hub.seen[0]?.headers['accept-encoding']).toBe('identity')
  })
})

describe('ranges', () => {
  it('that are ignored: takes everything from the start', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.plan = [cutAfter(20_000), ignoreRange({}, 40_000), ignoreRange()]
    expect((await pull(pin)).files[0]?.transferred).toBe(120_000)
    await expectWhole()
  })

  it.each([
    ['another range than asked for', { 'content-range': `bytes 100-59999/60000` }],
    ['a range without saying which', {}],
    ['a range in other words', { 'content-range': 'lines 1-2/3' }],
    ['a range of another content', { 'content-range': 'bytes 20000-59999/60000', etag: '"new"' }],
  ])('%s: starts anew', async (_, headers) => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.plan = [cutAfter(20_000), status(206, headers, 'x'.repeat(40_000))]
    await pull(pin)
    await expectWhole()
  })

  it('of a longer file: refuses', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.plan = [cutAfter(20_000), status(206, { 'content-range': 'bytes 20000-69999/70000' }, 'x')]
    await expect(pull(pin)).rejects.toThrow(/it has 70000 bytes/)
    await expectNothing()
  })

  it('answered with 416: starts anew, once', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.plan = [cutAfter(20_000), status(416, { 'content-range': 'bytes */60000' })]
    await pull(pin)
    await expectWhole()
    expect(hub.seen.map((request) => request.headers.range)).toEqual([
      undefined,
      'bytes=20000-',
      undefined,
    ])
    hub.plan = [status(416)]
    await writeFile(join(fixture.dir, 'm.gguf'), 'damaged')
    await expect(pull(pin)).rejects.toThrow(/status 416/)
  })

  it('with a weak ETag are used without If-Range', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.etag = () => 'W/"weak"'
    hub.plan = [cutAfter(20_000)]
    await pull(pin)
    expect(hub.seen[1]?.headers).toMatchObject({ range: 'bytes=20000-' })
    expect(hub.seen[1]?.headers['if-range']).toBeUndefined()
    await expectWhole()
  })

  it('of content that changes on the way: notices by the ETag, and by the checksum without one', async () => {
    const { hub, dir } = fixture
    const pin = hub.add('m.gguf', content)
    const older = noise(60_000, 99)
    const serveOlder: Behaviour = (request, response, self) => {
      self.serve(request, response, { content: older, limit: 20_000 })
      return true
    }
    hub.plan = [serveOlder]
    expect((await pull(pin)).files[0]?.transferred).toBe(80_000)
    await expectWhole()
    expect(hub.seen[1]?.headers['if-range']).toBe(`"${sha256(older).slice(0, 16)}"`)

    await writeFile(join(dir, 'm.gguf'), 'damaged')
    hub.etag = () => undefined
    hub.plan = [serveOlder]
    expect((await pull(pin)).files[0]?.transferred).toBe(60_000 + 60_000)
    await expectWhole()
  })
})

describe('status', () => {
  it.each([
    [401, undefined, /\(401\).*set HF_TOKEN/],
    [401, 'wrong', /\(401\).*The token in HF_TOKEN is not valid/],
    [403, undefined, /\(403\).*firewall/],
    [404, undefined, /There is no .*m\.gguf \(404\).*HF_ENDPOINT/],
    [410, undefined, /\(410\)/],
    [407, undefined, /USER:PASSWORD/],
    [400, undefined, /status 400/],
    [451, undefined, /status 451/],
    [501, undefined, /status 501/],
    [204, undefined, /status 204/],
    [304, undefined, /status 304/],
  ])('%d (token: %s) is final, and the message says what to do', async (code, token, message) => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.always = status(code)
    const error = await errorOf(pull(pin, { token }))
    expect(error).toBeInstanceOf(DownloadError)
    expect(error.message).toMatch(message)
    expect(error.message).not.toContain('wrong')
    expect(hub.seen).toHaveLength(1)
    await expectNothing()
  })

  it.each([408, 425, 429, 500, 502, 503, 504])('%d passes', async (code) => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.plan = [status(code), cutAfter(1_000), status(code)]
    await pull(pin)
    await expectWhole()
  })

  it('429 is given the time that it asks for, in seconds or as a date', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    const times: number[] = []
    const note =
      (next: Behaviour): Behaviour =>
      (request, response, self) => {
        times.push(performance.now())
        return next(request, response, self)
      }
    const date = () => new Date(Math.ceil((Date.now() + 1_000) / 1000) * 1000).toUTCString()
    hub.plan = [
      note(status(429, { 'retry-after': '1' })),
      note((q, s, h) => status(503, { 'retry-after': date() })(q, s, h)),
      note(() => false),
    ]
    const info = vi.fn()
    await pull(pin, { logger: { info } })
    const [first = 0, second = 0, third = 0] = times
    expect(second - first).toBeGreaterThanOrEqual(990)
    expect(third - second).toBeGreaterThanOrEqual(990)
    expect(info.mock.calls.flat().join('\n')).toMatch(/status 429; trying again in 1 s/)
    await expectWhole()
  })

  it('429 that asks for an hour is an error at once that says how long', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.plan = [status(429, { 'retry-after': '3600' })]
    await expect(pull(pin)).rejects.toThrow(/Try again in 1 h 00 min/)
    expect(hub.seen).toHaveLength(1)
  })

  it('503 for ever is an error in the end', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.always = status(503)
    const error = await errorOf(pull(pin, { patience: { retries: 3 } }))
    expect(error).toBeInstanceOf(DownloadError)
    expect(error.message).toMatch(/status 503/)
    expect(hub.seen).toHaveLength(4)
  })

  it('a wait ends when the caller has had enough', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.plan = [status(429, { 'retry-after': '60' })]
    await expect(pull(pin, { signal: AbortSignal.timeout(100) })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
  })
})

describe('redirects', () => {
  it('in a circle are an error', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    hub.always = status(302, { location: '/round' })
    await expect(pull(pin)).rejects.toThrow(/redirects more than 10 times/)
    expect(hub.seen).toHaveLength(11)
  })

  it.each(['ftp://127.0.0.1/x', 'file:///etc/passwd', 'http://[', 'javascript:alert(1)'])(
    'to %s are refused',
    async (location) => {
      const { hub } = fixture
      const pin = hub.add('m.gguf', content)
      hub.always = status(302, { location })
      await expect(pull(pin)).rejects.toThrow(/not an HTTP address/)
    },
  )

  it('of which the target changes with every request are followed anew on every resume', async () => {
    const { hub } = fixture
    const pin = hub.add('m.gguf', content)
    const store = await TestHub.start()
    let serial = 0
    hub.always = (request, response) => {
      const signed = `/blob-${++serial}`
      store.files.clear()
      store.files.set(signed, content)
      response.writeHead(302, { location: `${store.endpoint}${signed}?sig=${serial}` }).end()
      return request.method === 'GET'
    }
    store.plan = [cutAfter(10_000), cutAfter(10_000)]
    expect((await pull(pin)).files[0]?.transferred).toBe(60_000)
    expect(store.seen.map((request) => request.headers.range)).toEqual([
      undefined,
      'bytes=10000-',
      'bytes=20000-',
    ])
    await store.stop()
    await expectWhole()
  })
})

it('a server that talks nonsense is an error, not a crash', async () => {
  const { hub } = fixture
  const pin = hub.add('m.gguf', content)
  const nonsense =
    (text: string): Behaviour =>
    (request) => {
      request.socket.end(text)
      return true
    }
  hub.always = nonsense('220 mail.example ESMTP\r\n')
  await expect(pull(pin)).rejects.toThrow(/HPE_/)
  // more than it announced, and something behind the end: the pinned length is what counts
  hub.always = nonsense(
    `HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n${content.toString('latin1')}trailing garbage`,
  )
  await expect(pull(pin)).rejects.toThrow()
  hub.always = (request) => {
    request.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n')
    request.socket.write(content)
    request.socket.end('HTTP/1.1 500 trailing garbage')
    return true
  }
  await pull(pin)
  await expectWhole()
})

it('leaves no listener on the caller’s signal', async () => {
  const { hub } = fixture
  const pin = hub.add('m.gguf', content)
  hub.plan = [cutAfter(100), stallAfter(50), status(503), status(302, { location: '/x' }), silence]
  const signal = new AbortController().signal
  const add = vi.spyOn(signal, 'addEventListener')
  const remove = vi.spyOn(signal, 'removeEventListener')
  await pull(pin, { signal, patience: { responseTimeout: 100, stallTimeout: 100 } }).catch(() => {})
  const ours = (calls: unknown[][]) => calls.filter((call) => call[0] === 'abort').length
  expect(ours(remove.mock.calls)).toBeGreaterThanOrEqual(ours(add.mock.calls))
})
