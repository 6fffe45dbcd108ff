/** The page's files as the server gives them; no browser. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readAssets } from '../../../../lib/apps/server/page/assets.js'
import { CONTENT_SECURITY_POLICY } from '../../../../lib/apps/server/page/page.js'
import { createServer, type Server } from '../../../../lib/exports/server.js'

describe('the page', () => {
  let server: Server

  beforeAll(async () => {
    server = await createServer({ logLevel: 'silent', apiKey: ['secret'] })
  })
  afterAll(() => server.close())

  it('is served without a key, under a policy that allows nothing but its own files', async () => {
    const page = await server.app.inject('/')
    expect(page.statusCode).toBe(200)
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(page.headers['content-security-policy']).toBe(CONTENT_SECURITY_POLICY)
    expect(page.headers['content-security-policy']).not.toMatch(/unsafe|\*|https?:/)
    expect(page.headers['x-content-type-options']).toBe('nosniff')
    // nothing inline, nothing from elsewhere
    expect(page.body).not.toMatch(/<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|https?:\/\//)
    const files = [...page.body.matchAll(/(?:src|href)="(page\/[^"]+)"/g)].map(([, file]) => file)
    expect(files).toHaveLength(4)
    for (const file of files) {
      const { statusCode, headers } = await server.app.inject(`/${file}`)
      expect(statusCode, file).toBe(200)
      expect(headers['x-content-type-options']).toBe('nosniff')
    }
  })

  it('has scripts that insert no markup and call no other host', async () => {
    for (const file of ['app.js', 'theme.js']) {
      const { body } = await server.app.inject(`/page/${file}`)
      expect(body.length).toBeGreaterThan(500)
      expect(body).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/)
      expect(body.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:\/\//)
    }
  })

  it('answers 304 while nothing has changed', async () => {
    const { headers } = await server.app.inject('/page/app.js')
    const again = await server.app.inject({
      url: '/page/app.js',
      headers: { 'if-none-match': headers.etag as string },
    })
    expect(again.statusCode).toBe(304)
    expect(again.body).toBe('')
  })

  it('knows no other files', async () => {
    const open = await createServer({ logLevel: 'silent' })
    for (const file of ['', 'other.js', '..%2fpackage.json', '../package.json']) {
      expect((await open.app.inject(`/page/${file}`)).statusCode, file).toBe(404)
    }
    await open.close()
  })

  it('can be switched off, and has no link to documentation that is switched off', async () => {
    const without = await createServer({ logLevel: 'silent', page: false })
    expect((await without.app.inject('/')).statusCode).toBe(405) // TEI's clients post there
    await without.close()
    const undocumented = await createServer({ logLevel: 'silent', docs: false })
    expect((await undocumented.app.inject('/')).body).not.toContain('href="docs"')
    await undocumented.close()
    expect((await server.app.inject('/')).body).toContain('href="docs"')
  })

  it('says what to do when its files were not built', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'bge-m3-assets-'))
    await expect(readAssets({ docs: true, directory })).rejects.toThrow(/npm run build/)
    await rm(directory, { recursive: true })
  })
})
