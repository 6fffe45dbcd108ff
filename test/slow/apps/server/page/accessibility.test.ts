/** axe-core on every state of the page in both themes, and the page of a model without heads. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Server } from '../../../../../lib/exports/server.js'
import { Embedder } from '../../../../../lib/index.js'
import { writeHeadless } from '../../../../apps/cli/headless.js'
import { launch, serve, textOf, Visit } from '../../../../apps/server/page/browser.js'
import { has } from '../../../../helpers/needs.mjs'
import { standinPath } from '../../../../helpers/standins.js'
import { paragraphs } from '../../../../helpers/texts.js'

const axeFile = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

interface Violation {
  id: string
  impact: string | null
  nodes: { target: string[]; failureSummary: string }[]
}

async function seriousViolations(visit: Visit): Promise<string[]> {
  // a script tag is what the page's policy forbids; the debugger may
  await visit.evaluate(await readFile(axeFile, 'utf8'))
  const violations = await visit.evaluate<Violation[]>(
    'axe.run(document).then(({ violations }) => violations)',
  )
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`)
}

describe.skipIf(!has('chromium'))('the page for everybody', () => {
  let browser: Browser
  let open: { server: Server; url: string }
  let embedder: Embedder

  beforeAll(async () => {
    embedder = await Embedder.load({ model: await standinPath({ size: 'tiny' }), threads: 1 })
    open = await serve({ embedder })
    browser = await launch()
  })

  afterAll(async () => {
    await browser?.close()
    await open?.server.close()
    await embedder?.dispose()
  })

  it('axe sees what is wrong', async () => {
    const visit = await Visit.open(browser, open.url)
    await visit.evaluate("document.getElementById('query').removeAttribute('id')")
    await visit.evaluate("document.getElementById('model').style.color = '#ccc'")
    await visit.page.locator('#model', { hasText: 'dimensions' }).waitFor()
    const found = (await seriousViolations(visit)).join('\n')
    expect(found).toMatch(/^label: /m)
    expect(found).toMatch(/^color-contrast: /m)
    await visit.close()
  })

  const looks = [
    { colorScheme: 'light', width: 1280 },
    { colorScheme: 'dark', width: 390 },
  ] as const
  it.each(looks)('has nothing serious for axe: $colorScheme, $width px', async (look) => {
    const visit = await Visit.open(browser, open.url, look)
    const { page } = visit
    await page.locator('#model', { hasText: 'dimensions' }).waitFor()
    await page.getByRole('button', { name: 'Clear' }).click()
    const [{ text = '', questions = [] } = {}] = paragraphs('en')
    await visit.compare(questions[0] ?? '', [
      text,
      questions[0] ?? '',
      'x',
      paragraphs('ar')[0]?.text ?? '',
    ])
    await page.getByText('Matching tokens').first().click()
    await page.getByRole('listbox').getByRole('option').nth(2).hover()
    expect(await page.locator('.token.answer').count()).toBe(4)
    expect(await seriousViolations(visit)).toEqual([])

    await page.locator('#query').fill('')
    await page.getByRole('button', { name: 'Compare' }).click()
    await page.getByRole('alert').getByText('nothing to compare').waitFor()
    expect(await page.locator('.stale').count()).toBe(2)
    expect(await seriousViolations(visit)).toEqual([])
    await page.getByRole('listbox').getByRole('option').nth(2).hover()
    expect(await seriousViolations(visit)).toEqual([])
    await page.getByRole('button', { name: 'API key' }).click()
    expect(await seriousViolations(visit)).toEqual([])
    await visit.close()
  })

  it('shows what a model of BERT’s kind does not know by its name, not as the end of the text', async () => {
    const load = { model: await standinPath({ size: 'tiny', arch: 'minilm' }), threads: 1 }
    const { server, url } = await serve({ load })
    const visit = await Visit.open(browser, url)
    await visit.page.getByRole('button', { name: 'Clear' }).click()
    await visit.compare('a query', ['word 🫠 word'])
    const tokens = visit.page.locator('.cards .token.special')
    expect(await tokens.allInnerTexts()).toEqual(['', '[UNK]', '⏎'])
    expect(visit.problems).toEqual([])
    await visit.close()
    await server.close()
  })

  it('shows dense alone for a model without heads, and says why', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'bge-m3-page-'))
    const model = join(directory, 'headless.gguf')
    await writeHeadless(await standinPath({ size: 'tiny' }), model)
    const { server, url } = await serve({ load: { model, threads: 1 } })
    const visit = await Visit.open(browser, url)
    const { page } = visit
    await page.getByRole('button', { name: 'Clear' }).click()
    await visit.compare('a query', ['a passage'])
    expect(await page.locator('.bars li .name').allInnerTexts()).toEqual(['Dense'])
    expect(await textOf(page.getByRole('note'))).toMatch(
      /This model has no sparse or ColBERT head, so only the scores that need none are shown/,
    )
    expect(await page.getByRole('listbox').count()).toBe(0)
    expect(await textOf(page.locator('.query .tokens'))).toContain('a query')
    expect(await page.locator('.heatmap tbody tr').count()).toBe(2)
    expect(visit.problems).toEqual([])
    await visit.close()
    await server.close()
    await rm(directory, { recursive: true })
  })
})
