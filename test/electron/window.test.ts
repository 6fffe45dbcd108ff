/** The window of examples/electron in Chromium, with what preload.cjs gives it played by the test. */
import fs from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { launch, textOf } from '../apps/server/page/browser.js'
import { root } from '../helpers/child.js'
import { has } from '../helpers/needs.mjs'

const example = path.join(root, 'examples/electron')
const TYPES: Record<string, string> = { '.html': 'text/html', '.mjs': 'text/javascript' }

/** `window.embedder`: one text is a vector of its length's parity; a text `never` waits for `cancel`. */
function fakeBridge(): void {
  let onProgress: (job: number, progress: object) => void = () => {}
  let cancelled: (() => void) | undefined
  const bridge = {
    load: async (job: number) => {
      onProgress(job, { stage: 'download', done: 5, total: 10 })
      return { value: { dimensions: 2, standin: true, threads: 3 } }
    },
    embed: async (job: number, texts: string[]) => {
      onProgress(job, { stage: 'embed', done: 1, total: texts.length })
      if (texts.includes('never')) {
        await new Promise<void>((resolve) => {
          cancelled = resolve
        })
        return { error: { code: 'AbortError', message: 'This operation was aborted' } }
      }
      return {
        value: texts.map((text) => (text.length % 2 ? new Float32Array([1, 0]) : [0.6, 0.8])),
      }
    },
    cancel: () => cancelled?.(),
    onProgress: (listener: typeof onProgress) => {
      onProgress = listener
    },
  }
  Object.assign(globalThis, { embedder: bridge })
}

describe.skipIf(!has('chromium'))('the window', () => {
  let server: Server
  let browser: Browser
  let page: Page
  const problems: string[] = []

  beforeAll(async () => {
    server = createServer((request, response) => {
      const name = request.url === '/' ? 'index.html' : path.basename(request.url ?? '')
      const file = path.join(example, name)
      if (!fs.existsSync(file)) return response.writeHead(404).end()
      response.setHeader('content-type', TYPES[path.extname(file)] ?? 'text/plain')
      response.end(fs.readFileSync(file))
    }).listen(0, '127.0.0.1')
    browser = await launch()
  })
  afterAll(async () => {
    await browser?.close()
    server?.close()
  })
  beforeEach(async () => {
    page = await browser.newPage()
    page.on('pageerror', (error) => problems.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().includes('404'))
        problems.push(message.text())
    })
    await page.addInitScript(fakeBridge)
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await page.waitForFunction("document.getElementById('status').textContent.startsWith('Ready')")
  })

  const text = (id: string) => textOf(page.locator(`#${id}`))

  it('says what was loaded, and that a stand-in means nothing', async () => {
    expect(await text('status')).toContain('2 dimensions, 3 threads')
    expect(await text('status')).toContain('mean nothing')
    expect(problems).toEqual([])
  })

  it('ranks the texts', async () => {
    await page.fill('#query', 'odd')
    await page.fill('#texts', 'even\n\nanother')
    await page.click('#run')
    await page.waitForFunction("document.querySelectorAll('#hits li').length === 2")
    const hits = await page.locator('#hits li').allInnerTexts()
    expect(hits.map((hit) => hit.replace(/\s+/g, ' '))).toEqual(['1.000 another', '0.600 even'])
    expect(problems).toEqual([])
  })

  it('cancels, and works on', async () => {
    await page.fill('#texts', 'never')
    await page.click('#run')
    await page.waitForFunction("document.getElementById('status').textContent === 'Embedding …'")
    expect(await page.isDisabled('#run')).toBe(true)
    await page.click('#cancel')
    await page.waitForFunction(
      "document.getElementById('status').textContent.includes('AbortError')",
    )
    expect(await page.isEnabled('#run')).toBe(true)
    expect(problems).toEqual([])
  })
})
