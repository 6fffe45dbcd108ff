/** A report in a real Chromium, and everything that it should not have done there. */
import { type Browser, chromium, type Page } from 'playwright-core'
import { chromiumPath } from '../../helpers/needs.mjs'

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath() ?? '', args: ['--no-sandbox'] })
}

export interface Opened {
  page: Page
  /** Errors, refusals by the policy, and requests for anything but the file. */
  problems: string[]
  evaluate<T>(expression: string): Promise<T>
}

export async function open(
  browser: Browser,
  file: string,
  options: { width?: number; colorScheme?: 'light' | 'dark' } = {},
): Promise<Opened> {
  const { width = 1280, colorScheme = 'light' } = options
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme })
  page.setDefaultTimeout(60_000)
  const problems: string[] = []
  page.on('console', (message) => {
    // a refused policy is an error in the console, too
    if (message.type() === 'error') problems.push(message.text())
  })
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('request', (request) => {
    if (request.url() !== `file://${file}`) problems.push(`request: ${request.url()}`)
  })
  page.on('dialog', (dialog) => {
    problems.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  await page.goto(`file://${file}`)
  await page.waitForSelector('html[data-ready]')
  return { page, problems, evaluate: (expression) => page.evaluate(expression) as never }
}
