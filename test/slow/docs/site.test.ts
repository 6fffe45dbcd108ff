/** The documentation site: built as `npm run docs` builds it, its links followed, seen in Chromium. */
import fs from 'node:fs'
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launch } from '../../apps/server/page/browser.js'
import { root, run } from '../../helpers/child.js'
import { has } from '../../helpers/needs.mjs'

const site = path.join(root, '.build', 'site')
const htmlFiles = () =>
  fs
    .readdirSync(site, { recursive: true })
    .map((name) => String(name).split(path.sep).join('/'))
    .filter((name) => name.endsWith('.html'))

beforeAll(async () => {
  // fails for a public symbol without a comment, a page that no menu names, and a link to nothing
  const end = await run(process.execPath, ['site/build.mjs'], { deadline: 400_000 })
  expect(end.code, end.stderr.slice(-3000)).toBe(0)
})

describe('the site', () => {
  it('has every page of docs/, every example and every subpath of the package', () => {
    const pages = new Set(htmlFiles())
    const docs = fs
      .readdirSync(path.join(root, 'docs'), { recursive: true })
      .map((name) => String(name).split(path.sep).join('/'))
      .filter((name) => name.endsWith('.md'))
      .map((name) => name.replace(/\.md$/, '.html'))
    const examples = fs
      .readdirSync(path.join(root, 'examples'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `examples/${name}.html`)
    const { exports } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
    const subpaths = Object.keys(exports)
      .filter((name) => name !== './package.json')
      .map((name) => `reference/bge-m3-node${name.slice(1)}/index.html`)
    const wanted = ['index.html', ...docs, ...examples, ...subpaths]
    expect(wanted.filter((page) => !pages.has(page))).toEqual([])
  })

  it('asks nobody else for anything', () => {
    for (const page of htmlFiles()) {
      const html = fs.readFileSync(path.join(site, page), 'utf8')
      const loaded = [...html.matchAll(/<(?:script|link|img)[^>]*?(?:src|href)="(https?:[^"]*)"/g)]
      expect(loaded.map(([, address]) => `${page}: ${address}`)).toEqual([])
    }
  })

  it('shows no comment that is meant for the tests', () => {
    for (const page of htmlFiles()) {
      const html = fs.readFileSync(path.join(site, page), 'utf8')
      expect(html, page).not.toMatch(/<!-- ?(with|checked only|shape of|model): /)
    }
  })
})

const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
}

function serveSite(): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://site')
    const file = path.join(site, pathname.endsWith('/') ? `${pathname}index.html` : pathname)
    if (!fs.existsSync(file)) return response.writeHead(404).end()
    const type = TYPES[path.extname(file)] ?? 'application/octet-stream'
    response.writeHead(200, { 'content-type': type })
    return fs.createReadStream(file).pipe(response)
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

const axeFile = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const SEEN = [
  '/',
  '/guides.html',
  '/troubleshooting.html',
  '/choosing-outputs.html',
  '/reference/bge-m3-node/classes/Embedder.html',
]

describe.skipIf(!has('chromium'))('in Chromium', () => {
  let browser: Browser
  let server: http.Server
  let base: string

  beforeAll(async () => {
    server = await serveSite()
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    browser = await launch()
  })
  afterAll(async () => {
    await browser?.close()
    server?.close()
  })

  it.each([
    [1280, 'light'],
    [390, 'dark'],
  ] as const)('fits %i pixels, %s, and loads without trouble', async (width, colorScheme) => {
    const page = await browser.newPage({ viewport: { width, height: 844 }, colorScheme })
    const troubles: string[] = []
    page.on('pageerror', (error) => troubles.push(error.message))
    page.on('response', (response) => {
      if (response.status() >= 400) troubles.push(`${response.status()} ${response.url()}`)
    })
    page.on('request', (request) => {
      if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(base))
        troubles.push(`asked for ${request.url()}`)
    })
    for (const seen of SEEN) {
      await page.goto(base + seen, { waitUntil: 'networkidle' })
      const over = await page.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      )
      expect(over, `${seen} is wider than the window`).toBe(0)
    }
    expect(troubles).toEqual([])
    await page.close()
  })

  it.each(['light', 'dark'] as const)('can be read by everybody, %s', async (colorScheme) => {
    const page = await browser.newPage({ colorScheme })
    for (const seen of ['/', '/troubleshooting.html']) {
      await page.goto(base + seen, { waitUntil: 'networkidle' })
      await page.evaluate(await readFile(axeFile, 'utf8'))
      const found = (await page.evaluate(
        "axe.run(document.querySelector('#VPContent')).then(({ violations }) => violations.filter(({ impact }) => impact === 'critical' || impact === 'serious').map(({ id, nodes }) => id + ': ' + nodes.slice(0, 3).map((node) => node.target.join(' ')).join(', ')))",
      )) as string[]
      expect(found, seen).toEqual([])
    }
    await page.close()
  })

  /** A page whose search is open. */
  async function withSearch(use: (results: (words: string) => Promise<string[]>) => Promise<void>) {
    const page = await browser.newPage()
    try {
      await page.goto(`${base}/`, { waitUntil: 'networkidle' })
      await page.locator('.VPNavBarSearch button').first().click()
      const input = page.locator('.VPLocalSearchBox input')
      await input.waitFor()
      await use(async (words) => {
        await input.fill(words)
        const links = page.locator('.VPLocalSearchBox .result')
        return links.evaluateAll((found) =>
          found.map((link) => new URL(String(link.getAttribute('href')), 'http://site').pathname),
        )
      })
    } finally {
      await page.close()
    }
  }

  it('search gives a guide first', async () => {
    await withSearch(async (results) => {
      for (const words of ['embed documents', 'memory limit', 'rerank', 'sparse weights']) {
        // typing is debounced
        await expect.poll(async () => (await results(words))[0], { timeout: 10_000 }).toBeDefined()
        await new Promise((resolve) => setTimeout(resolve, 500))
        expect((await results(words))[0], words).not.toMatch(/^\/(reference|project)\//)
      }
    })
  })

  it('search finds every environment variable', async () => {
    const page = fs.readFileSync(path.join(root, 'docs/environment.md'), 'utf8')
    const names = [...page.matchAll(/^\| `([A-Z][A-Z0-9_]+)/gm)].map(([, name = '']) => name)
    expect(names.length).toBeGreaterThan(30)
    await withSearch(async (results) => {
      for (const name of names) {
        // what the search before it found is gone
        await expect.poll(() => results('')).toEqual([])
        await expect
          .poll(() => results(name), { timeout: 10_000, message: name })
          .toContain('/environment.html')
      }
    })
  }, 240_000)

  it('begins with how it is installed, a program and the chart', async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    await page.goto(`${base}/`, { waitUntil: 'networkidle' })
    const bottom = async (selector: string) => {
      const box = await page.locator(selector).first().boundingBox()
      return (box?.y ?? Number.NaN) + (box?.height ?? Number.NaN)
    }
    expect(await bottom('.VPHero img')).toBeLessThan(800)
    expect(await bottom('.vp-doc .language-sh')).toBeLessThan(800)
    expect(await bottom('.vp-doc .language-js')).toBeLessThan(900)
    await page.close()
  })

  it('search finds a page by a word in it, without a server', async () => {
    const page = await browser.newPage()
    await page.goto(`${base}/`, { waitUntil: 'networkidle' })
    await page.keyboard.press('Control+k')
    await page.locator('.VPLocalSearchBox input').fill('surrogates')
    const found = page.locator('.VPLocalSearchBox .result').first()
    await found.waitFor()
    await found.click()
    await page.waitForURL(/\.html/)
    await page.close()
  })
})
