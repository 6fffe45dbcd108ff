import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DownloadError } from '../../../lib/common/errors.js'
import { proxyOf } from '../../../lib/model/hub/proxy.js'
import { pullModel } from '../../../lib/model/hub/pull.js'
import { has } from '../../helpers/needs.mjs'
import { until } from '../../helpers/until.js'
import { usePullChild } from './children.js'
import { errorOf, expectBytes, HASTE, noise, useHub } from './fixtures.js'
import { cutAfter, TestHub } from './test-hub.js'
import { TestProxy } from './test-proxy.js'

const fixture = useHub()
const start = usePullChild()
const content = noise(80_000)

let proxy: TestProxy
beforeEach(async () => {
  proxy = await TestProxy.start()
})
afterEach(async () => {
  await proxy.stop()
})

function pull(endpoint = fixture.hub.endpoint, responseTimeout = HASTE.responseTimeout ?? 0) {
  const files = [fixture.hub.add('m.gguf', content)]
  const patience = { ...HASTE, responseTimeout }
  return pullModel({ dir: fixture.dir, endpoint, files, patience })
}

async function expectWhole(): Promise<void> {
  await expectBytes(join(fixture.dir, 'm.gguf'), content)
}

describe('an http:// hub', () => {
  it.each(['HTTP_PROXY', 'http_proxy', 'ALL_PROXY'])(
    'goes through %s, and resumes',
    async (name) => {
      const { hub } = fixture
      vi.stubEnv(name, proxy.url)
      hub.plan = [cutAfter(30_000)]
      await pull()
      await expectWhole()
      const url = `${hub.endpoint}/test/model/resolve/r1/m.gguf`
      expect(proxy.seen).toEqual([`GET ${url}`, `GET ${url}`])
      expect(hub.seen[1]?.headers.range).toBe('bytes=30000-')
    },
  )

  it('goes past the proxy if NO_PROXY names it', async () => {
    vi.stubEnv('HTTP_PROXY', 'http://127.0.0.1:9')
    vi.stubEnv('NO_PROXY', 'example.org,127.0.0.1')
    await pull()
    await expectWhole()
    expect(proxy.seen).toEqual([])
  })

  it('goes through a proxy with credentials, which the hub does not see', async () => {
    const { hub } = fixture
    proxy.credentials = 'user:p@ss'
    vi.stubEnv('HTTP_PROXY', proxy.url.replace('//', '//user:p%40ss@'))
    await pull()
    await expectWhole()
    expect(hub.seen[0]?.headers['proxy-authorization']).toBeUndefined()
    vi.stubEnv('HTTP_PROXY', proxy.url)
    await expect(pull(`${hub.endpoint}/else`)).resolves.toBeDefined()
  })

  it('says that the proxy wants credentials, and never shows them', async () => {
    proxy.credentials = 'user:right'
    vi.stubEnv('HTTP_PROXY', proxy.url.replace('//', '//user:canary@'))
    const error = await errorOf(pull())
    expect(error).toBeInstanceOf(DownloadError)
    expect(error.message).toContain('407')
    expect(error.message).not.toContain('canary')
  })

  it('names the proxy when it cannot be reached', async () => {
    vi.stubEnv('HTTP_PROXY', 'http://user:canary@127.0.0.1:9')
    const error = await errorOf(pull())
    expect(error.message).toMatch(/through the proxy 127\.0\.0\.1:9 failed \(ECONNREFUSED\)/)
    expect(error.message).toMatch(/proxy in HTTP_PROXY/)
    expect(error.message).not.toContain('canary')
  })
})

describe('what the environment names as a proxy', () => {
  it.each([
    ['socks5://127.0.0.1:1080', /scheme socks5:.*not supported/],
    ['http://[', /not a URL/],
  ])('%s is refused', (value, message) => {
    vi.stubEnv('HTTPS_PROXY', value)
    expect(() => proxyOf(new URL('https://hub.example/'))).toThrow(message)
    expect(proxyOf(new URL('http://hub.example/'))).toBeUndefined()
  })
})

describe('a mute proxy', () => {
  it('counts as unreachable, and no connection to it is left open', async () => {
    proxy.isMute = true
    vi.stubEnv('HTTPS_PROXY', proxy.url)
    const error = await errorOf(pull('https://hub.example', 80))
    expect(error.message).toMatch(/did not answer.*proxy in HTTP_PROXY/)
    expect(proxy.seen).toEqual(Array(3).fill('CONNECT hub.example:443'))
    await until(() => proxy.open === 0)
  })
})

const tls = has('openssl') ? makeCertificate() : undefined

describe.skipIf(!tls)('an https:// hub', () => {
  let secure: TestHub
  beforeEach(async () => {
    secure = await TestHub.start(tls)
    secure.add('m.gguf', content)
  })
  afterEach(async () => {
    await secure.stop()
  })
  afterAll(() => {
    if (tls) rmSync(tls.directory, { recursive: true, force: true })
  })

  it('whose certificate is not known is refused at once, and the message says what to do', async () => {
    const error = await errorOf(pull(secure.endpoint))
    expect(error).toBeInstanceOf(DownloadError)
    expect(error.message).toMatch(/certificate.*NODE_EXTRA_CA_CERTS/)
    expect(secure.seen).toHaveLength(0)
  })

  it('goes through a tunnel of the proxy; tokens are for the hub, credentials for the proxy', async () => {
    const { dir } = fixture
    const files = [secure.add('m.gguf', content)]
    proxy.credentials = 'user:secret'
    secure.plan = [cutAfter(30_000)]
    const env = {
      NODE_EXTRA_CA_CERTS: tls?.path ?? '',
      HTTPS_PROXY: proxy.url.replace('//', '//user:secret@'),
      HF_TOKEN: 'hf_token',
    }
    const endpoint = `https://localhost:${secure.port}`
    const options = { dir, endpoint, files, patience: HASTE }
    const { result, output } = await start(options, env).ended
    expect(output).toMatch(/^done/m)
    expect(result?.files[0]?.status).toBe('downloaded')
    await expectWhole()
    expect(proxy.seen).toEqual(Array(2).fill(`CONNECT localhost:${secure.port}`))
    expect(secure.seen[1]?.headers).toMatchObject({
      authorization: 'Bearer hf_token',
      range: 'bytes=30000-',
    })
    expect(secure.seen[1]?.headers['proxy-authorization']).toBeUndefined()
  })

  it('behind a proxy that wants other credentials is an error at once', async () => {
    proxy.credentials = 'user:right'
    vi.stubEnv('HTTPS_PROXY', proxy.url)
    const error = await errorOf(pull(secure.endpoint))
    expect(error.message).toMatch(/proxy wants credentials/)
    expect(proxy.seen).toHaveLength(1)
  })
})

function makeCertificate() {
  const directory = mkdtempSync(join(tmpdir(), 'bge-m3-tls-'))
  const key = join(directory, 'key.pem')
  const path = join(directory, 'cert.pem')
  try {
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
        ...['-keyout', key, '-out', path, '-days', '2', '-subj', '/CN=localhost'],
        ...['-addext', 'subjectAltName=DNS:localhost'],
      ],
      { stdio: 'ignore' },
    )
    return { directory, path, key: readFileSync(key, 'utf8'), cert: readFileSync(path, 'utf8') }
  } catch {
    rmSync(directory, { recursive: true, force: true })
    return undefined
  }
}
