/** A real Chromium on the real server with the `tiny` stand-in. */
import { type Browser, chromium, type Locator, type Page, type Request } from 'playwright-core'
import { createServer, type Server, type ServerOptions } from '../../../../lib/exports/server.js'
import { chromiumPath } from '../../../helpers/needs.mjs'

export async function serve(options: ServerOptions): Promise<{ server: Server; url: string }> {
  const server = await createServer({ host: '127.0.0.1', port: 0, logLevel: 'silent', ...options })
  const { url } = await server.start()
  return { server, url: `${url}/` }
}

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath() ?? '', args: ['--no-sandbox'] })
}

/** What is seen: without what is hidden. */
export function textOf(locator: Locator): Promise<string> {
  // biome-ignore lint/performance/useDomNodeTextContent: hidden text is not seen
  return locator.innerText()
}

export interface OpenOptions {
  width?: number
  height?: number
  colorScheme?: 'light' | 'dark'
}

/** A page and everything that it should not have done. */
export class Visit {
  readonly problems: string[] = []
  readonly requests: Request[] = []
  /** Start and end of each function of app.js, and whether it ran. */
  readonly functions = new Map<string, boolean>()

  private constructor(readonly page: Page) {}

  static async open(browser: Browser, url: string, options: OpenOptions = {}): Promise<Visit> {
    const { width = 1280, height = 900, colorScheme = 'light' } = options
    const page = await browser.newPage({ viewport: { width, height }, colorScheme })
    page.setDefaultTimeout(60_000)
    const visit = new Visit(page)
    page.on('console', (message) => {
      // a refused policy is an error in the console, too
      if (message.type() === 'error') visit.problems.push(message.text())
    })
    page.on('pageerror', (error) => visit.problems.push(error.message))
    page.on('request', (request) => visit.requests.push(request))
    await page.coverage.startJSCoverage({ resetOnNavigation: false })
    await page.goto(url)
    return visit
  }

  async fill(query: string, passages: readonly string[]): Promise<void> {
    const { page } = this
    await page.getByLabel('Query', { exact: true }).fill(query)
    const fields = page.locator('#passages textarea')
    while ((await fields.count()) < passages.length) await page.locator('#add').click()
    for (const [i, text] of passages.entries()) await fields.nth(i).fill(text)
  }

  async compare(query: string, passages: readonly string[]): Promise<void> {
    await this.fill(query, passages)
    await this.page.getByRole('button', { name: 'Compare' }).click()
    await this.page.locator('#status', { hasText: 'Compared' }).waitFor()
  }

  evaluate<T>(expression: string): Promise<T> {
    return this.page.evaluate(expression) as Promise<T>
  }

  async close(): Promise<void> {
    for (const { url, functions } of await this.page.coverage.stopJSCoverage()) {
      if (!url.endsWith('/page/app.js')) continue
      for (const { ranges } of functions) {
        const [whole] = ranges
        if (!whole) continue
        const key = `${whole.startOffset}-${whole.endOffset}`
        this.functions.set(key, (this.functions.get(key) ?? false) || whole.count > 0)
      }
    }
    await this.page.context().close()
  }
}
