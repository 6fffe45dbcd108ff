import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type {
  Server,
  WireSimilarity,
  WireSimilarityResponse,
  WireStats,
} from '../../../../../lib/exports/server.js'
import { Embedder, type Scores } from '../../../../../lib/index.js'
import {
  launch,
  type OpenOptions,
  serve,
  textOf,
  Visit,
} from '../../../../apps/server/page/browser.js'
import { has } from '../../../../helpers/needs.mjs'
import { standinPath } from '../../../../helpers/standins.js'
import { type Paragraph, paragraphs } from '../../../../helpers/texts.js'

const KEY = 'sk-test-1234'
const [first, second] = paragraphs('en') as [Paragraph, Paragraph]
const QUERY = first.questions[0] as string
const PASSAGES = [
  first.text,
  second.text,
  paragraphs('de')[0]?.text as string,
  paragraphs('ar')[0]?.text as string,
]

describe.skipIf(!has('chromium'))('the page in Chromium', () => {
  let browser: Browser
  let embedder: Embedder
  let open: { server: Server; url: string }
  let locked: { server: Server; url: string }
  const visits: Visit[] = []
  const functions = new Map<string, boolean>()

  beforeAll(async () => {
    const model = await standinPath({ size: 'tiny' })
    embedder = await Embedder.load({ model, maxTokens: 600, threads: 1 })
    open = await serve({ embedder })
    locked = await serve({ embedder, apiKey: [KEY] })
    browser = await launch()
  })

  afterAll(async () => {
    await browser?.close()
    await Promise.all([open?.server.close(), locked?.server.close()])
    await embedder?.dispose()
  })

  /** A page whose form is blank. */
  async function visit(options: OpenOptions & { url?: string } = {}): Promise<Visit> {
    const made = await firstSight(options)
    await made.page.getByRole('button', { name: 'Clear' }).click()
    return made
  }

  async function firstSight(options: OpenOptions & { url?: string } = {}): Promise<Visit> {
    const made = await Visit.open(browser, options.url ?? open.url, options)
    visits.push(made)
    return made
  }

  afterEach(async () => {
    for (const visit of visits.splice(0)) {
      await visit.close()
      for (const [key, ran] of visit.functions) {
        functions.set(key, (functions.get(key) ?? false) || ran)
      }
    }
  })

  async function api(
    query: string,
    passages: readonly string[],
    truncate = false,
  ): Promise<WireSimilarityResponse> {
    const response = await fetch(`${open.url}similarity`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query,
        passages,
        truncate,
        tokens: true,
        alignment: true,
        matrix: true,
      }),
    })
    return (await response.json()) as WireSimilarityResponse
  }

  it('scores passages: the five numbers of each, in order, and names the model', async () => {
    const { page, problems, ...rest } = await visit()
    await visits[0]?.compare(QUERY, PASSAGES)
    const expected = await api(QUERY, PASSAGES)
    const names = {
      'colbert+sparse+dense': 'All three',
      'sparse+dense': 'Sparse + dense',
      dense: 'Dense',
      sparse: 'Sparse',
      colbert: 'ColBERT',
    } as const
    const full = Math.max(1, ...expected.passages.flatMap((p) => Object.values(p.scores)))
    const cards = (await page.locator('.cards .card').evaluateAll((all) =>
      all.map((card) => ({
        title: card.querySelector('h3').textContent,
        rows: [...card.querySelectorAll('.bars li')].map((row) => ({
          mode: row.dataset.mode,
          name: row.querySelector('.name').textContent,
          value: row.querySelector('.value').textContent,
          share: row.querySelector('.fill').offsetWidth / row.querySelector('.bar').offsetWidth,
        })),
      })),
    )) as {
      title: string
      rows: { mode: keyof Scores; name: string; value: string; share: number }[]
    }[]
    const shown: number[] = []
    for (const { title, rows } of cards) {
      const number = Number(/^Passage (\d)$/.exec(title)?.[1])
      const { scores } = expected.passages[number - 1] as WireSimilarity & { scores: Scores }
      expect(rows.map(({ mode }) => mode)).toEqual(Object.keys(names))
      for (const { mode, name, value, share } of rows) {
        expect(name).toBe(names[mode])
        expect(value).toBe(scores[mode].toFixed(3))
        expect(share).toBeCloseTo(Math.max(0, scores[mode] / full), 1)
      }
      shown.push(scores['colbert+sparse+dense'])
    }
    expect(shown).toHaveLength(PASSAGES.length)
    expect(shown).toEqual([...shown].sort((a, b) => b - a))

    await page.getByLabel('Rank by').selectOption('Dense')
    const order = await page.locator('.cards .card li[data-mode="dense"] .value').allInnerTexts()
    expect(order.map(Number)).toEqual(order.map(Number).sort((a, b) => b - a))

    expect(await textOf(page.locator('#model'))).toMatch(/random weights/)
    expect(rest.requests.length).toBeGreaterThan(3)
    expect(problems).toEqual([])
  })

  it('shows the similarity of all texts as a table', async () => {
    const made = await visit()
    await made.compare(QUERY, PASSAGES)
    const { matrix = [] } = await api(QUERY, PASSAGES)
    const rows = made.page.getByRole('table', { name: /Cosine similarity/ }).locator('tbody tr')
    expect(await rows.count()).toBe(5)
    for (const [i, row] of (await rows.all()).entries()) {
      const numbers = await row.locator('td').allInnerTexts()
      expect(numbers).toEqual(matrix[i]?.map((value) => value.toFixed(2)))
    }
    const headers = await rows.locator('th').allInnerTexts()
    expect(headers[0]).toMatch(/^Query\s+How many points/)
    expect(headers[4]).toMatch(/^Passage 4/)
  })

  it('shades tokens by sparse weight, and underlines and lists those that match', async () => {
    const made = await visit()
    const { page } = made
    await made.compare(QUERY, [first.text, QUERY])
    const expected = await api(QUERY, [first.text, QUERY])
    const [passage, same] = expected.passages as [WireSimilarity, WireSimilarity]
    const weights = new Map(passage.sparse?.map(({ index, weight }) => [index, weight]))
    const others = [...(expected.query.sparse ?? []), ...(same.sparse ?? [])]
    const heaviest = Math.max(...others.map(({ weight }) => weight), ...weights.values())
    const card = page.locator('.cards .card', { hasText: 'Passage 1' })
    const tokens = card.locator('.tokens .token:not(.special)')
    const shades = (await tokens.evaluateAll((all) =>
      all.map((e) => Number(e.style.getPropertyValue('--weight'))),
    )) as number[]
    const own = passage.tokens?.filter(({ special }) => !special) ?? []
    expect(shades).toHaveLength(own.length)
    for (const [i, { id }] of own.entries()) {
      expect(shades[i]).toBeCloseTo((weights.get(id) ?? 0) / heaviest, 3)
    }
    // a weight is seen: the heaviest differs from the lightest
    const colours = (await tokens.evaluateAll((all) =>
      all.map((e) => e.ownerDocument.defaultView.getComputedStyle(e).backgroundColor),
    )) as string[]
    expect(new Set(colours).size).toBeGreaterThan(3)
    expect((await textOf(card.locator('.tokens'))).replace(/\s+/g, ' ')).toContain(
      'The Panthers defense gave up just 308 points',
    )

    // the same text as the query: all of its weighted tokens match
    const twin = page.locator('.cards .card', { hasText: 'Passage 2' })
    await twin.getByText('Matching tokens').click()
    const products = await twin.locator('.matches tbody tr td:last-child').allInnerTexts()
    expect(products).toHaveLength(same.sparse?.length ?? -1)
    const sum = products.map(Number).reduce((a, b) => a + b, 0)
    expect(sum).toBeCloseTo(same.scores.sparse as number, 2)
    const shared = await twin.locator('.token.shared').allInnerTexts()
    const ids = new Set(same.sparse?.map(({ index }) => index))
    const matching = same.tokens?.filter(({ id, special }) => !special && ids.has(id)) ?? []
    expect(shared).toEqual(matching.map(({ text }) => text.trim()))
  })

  it('shows on hover which token of every passage answers a query token', async () => {
    const made = await visit()
    const { page } = made
    await made.compare(QUERY, PASSAGES)
    const expected = await api(QUERY, PASSAGES)
    const options = page.getByRole('listbox', { name: 'Query tokens' }).getByRole('option')
    expect(await options.count()).toBe((expected.query.tokens?.length ?? 0) - 1)
    // the fourth option is query token 4: <s> has no row
    await options.nth(3).hover()
    for (const card of await page.locator('.cards .card').all()) {
      const number = Number(/\d+/.exec(await textOf(card.locator('h3')))?.[0])
      const passage = expected.passages[number - 1]
      const match = passage?.alignment?.find(({ query }) => query === 4)
      const all = await card
        .locator('.token')
        .evaluateAll((all) => all.map((e) => e.classList.contains('answer')))
      expect((all as boolean[]).indexOf(true)).toBe(match?.passage)
      expect((all as boolean[]).filter(Boolean)).toHaveLength(1)
      expect(await textOf(card.locator('.answer-line'))).toContain(match?.similarity.toFixed(3))
      const box = await card.locator('.tokens').boundingBox()
      const answer = await card.locator('.token.answer').boundingBox()
      // it has been scrolled to, however long the passage
      expect(answer?.y).toBeGreaterThanOrEqual((box?.y ?? 0) - 1)
      expect(answer?.y).toBeLessThan((box?.y ?? 0) + (box?.height ?? 0))
    }
    await page.mouse.move(2, 2)
    expect(await page.locator('.token.answer').count()).toBe(0)
  })

  it('works with the keyboard alone', async () => {
    const made = await visit()
    const { page } = made
    await page.getByLabel('Query', { exact: true }).focus()
    await page.keyboard.type('how much water')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab') // past the button that removes it
    await page.keyboard.type('water, and much of it')
    await page.keyboard.press('Control+Enter')
    await page.locator('#status', { hasText: 'Compared 1 passage ' }).waitFor()

    await page.getByLabel('Rank by').focus()
    await page.keyboard.press('Tab')
    const focused = () => made.evaluate<string>('document.activeElement.ariaLabel')
    expect(await focused()).toBe('“how”')
    expect(await page.locator('#said').textContent()).toMatch(/^“how”: passage 1 .+ -?[\d.]+$/)
    await page.keyboard.press('ArrowRight')
    expect(await focused()).toBe('“much”')
    expect(await page.locator('.token.answer').count()).toBe(1)
    await page.keyboard.press('End')
    expect(await focused()).toBe('end of text')
    await page.keyboard.press('ArrowRight')
    expect(await focused()).toBe('end of text')
    await page.keyboard.press('Home')
    expect(await focused()).toBe('“how”')
    // one stop for the whole list
    await page.keyboard.press('Tab')
    expect(await made.evaluate('document.activeElement.role')).not.toBe('option')
    expect(await page.locator('.token.answer').count()).toBe(0)
  })

  it('walks to the left through a text that is written to the left', async () => {
    const made = await visit()
    const { page } = made
    await made.compare('كم عدد النقاط', [PASSAGES[3] as string])
    const list = page.getByRole('listbox')
    expect(
      await list.evaluate((e) => e.ownerDocument.defaultView.getComputedStyle(e).direction),
    ).toBe('rtl')
    expect(
      await page
        .locator('.cards .tokens')
        .evaluate((e) => e.ownerDocument.defaultView.getComputedStyle(e).direction),
    ).toBe('rtl')
    await list.getByRole('option').first().focus()
    const places = async () => (await page.locator('.token.active').boundingBox())?.x ?? 0
    const before = await places()
    await page.keyboard.press('ArrowLeft')
    expect(await places()).toBeLessThan(before)
    await page.keyboard.press('ArrowRight')
    expect(await places()).toBe(before)
  })

  it('adds and removes passages, and keeps the focus where the work is', async () => {
    const { page } = await visit()
    const fields = page.locator('#passages textarea')
    expect(await fields.count()).toBe(2)
    await page.getByRole('button', { name: 'Add a passage' }).click()
    expect(await fields.count()).toBe(3)
    await page.keyboard.type('third')
    expect(await page.getByLabel('Passage 3', { exact: true }).inputValue()).toBe('third')
    await page.getByRole('button', { name: 'Remove passage 2' }).click()
    expect(await page.getByLabel('Passage 2', { exact: true }).inputValue()).toBe('third')
    expect(await page.evaluate('document.activeElement.id')).toBe('passage-2')
    await page.getByRole('button', { name: 'Remove passage 1' }).click()
    expect(await page.getByRole('button', { name: /Remove/ }).count()).toBe(0)
  })

  it('compares an example at first sight, and leaves the form in view', async () => {
    const made = await firstSight({ width: 390, height: 844 })
    const { page } = made
    await page.locator('#status', { hasText: 'Compared 4 passages' }).waitFor()
    const query = await page.locator('#query').inputValue()
    const passages = await page
      .locator('#passages textarea')
      .evaluateAll((all) => all.map((field) => field.value))
    const expected = await api(query, passages as string[])
    for (const { index, scores } of expected.passages) {
      const card = page.locator('.cards .card', { hasText: `Passage ${index + 1}` })
      expect(await textOf(card.locator('li[data-mode="dense"] .value'))).toBe(
        scores.dense?.toFixed(3),
      )
    }
    await page.waitForTimeout(500)
    expect(await made.evaluate('window.scrollY')).toBe(0)
    await page.getByRole('button', { name: 'Clear' }).click()
    expect(await page.locator('.cards, .heatmap:visible').count()).toBe(0)
    expect(await made.evaluate('document.activeElement.id')).toBe('query')
    expect(made.problems).toEqual([])
  })

  it('does not compare the example for somebody who was quicker, or without the API key', async () => {
    const { page, requests } = await firstSight({ url: locked.url })
    await page.locator('#dashboard-error', { hasText: 'need the API key' }).waitFor()
    expect(await page.locator('#query').inputValue()).not.toBe('')
    await page.waitForTimeout(2500)
    expect(await page.getByRole('dialog').count()).toBe(0)
    const paths = requests.map((request) => new URL(request.url()).pathname)
    expect(paths).not.toContain('/similarity')
    // asked without the key again and again, the server would count errors
    expect(paths.filter((path) => path === '/stats')).toHaveLength(1)
    await page.locator('#query').fill('my own')
    await page.getByRole('button', { name: 'API key', exact: true }).click()
    await page.getByLabel('Key', { exact: true }).fill(KEY)
    await page.keyboard.press('Enter')
    for (let i = 0; i < 2; i++) await page.waitForResponse('**/stats')
    expect(requests.filter((request) => request.url().endsWith('/similarity'))).toEqual([])
  })

  it('inserts what was typed as text, never as markup', async () => {
    const made = await visit()
    const { page } = made
    const attack = '<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>'
    await made.compare(`${attack} ${first.text}`, [
      `${attack} ${first.text}`,
      `</span><b onclick=hacked()>${attack}`,
    ])
    await page.getByText('Matching tokens').first().click()
    await page.getByRole('listbox').getByRole('option').first().hover()
    expect(await made.evaluate('window.hacked')).toBeUndefined()
    expect(await page.locator('main img, main script, main b').count()).toBe(0)
    expect(await textOf(page.locator('.query .tokens'))).toContain('onerror="window.hacked=1"')
    expect(await textOf(page.locator('.heatmap .start').first())).toContain('<img src=x')
    expect(made.problems).toEqual([])
  })

  it('keeps texts out of every address', async () => {
    const made = await visit()
    await made.compare('canary-query', ['canary-passage'])
    expect(made.page.url()).toBe(open.url)
    const addresses = made.requests.map((request) => request.url())
    expect(addresses.filter((address) => address.includes('canary'))).toEqual([])
    expect(addresses.filter((address) => !address.startsWith(open.url))).toEqual([])
    const stored = await made.evaluate('JSON.stringify([{...localStorage}, {...sessionStorage}])')
    expect(stored).not.toContain('canary')
  })

  it('says in words what is wrong, and which text is to blame', async () => {
    const made = await visit()
    const { page } = made
    const error = page.getByRole('alert')
    await page.getByRole('button', { name: 'Compare' }).click()
    expect(await textOf(error)).toBe('There is nothing to compare yet: type a query.')
    await page.getByLabel('Query', { exact: true }).fill('q')
    await page.getByRole('button', { name: 'Compare' }).click()
    expect(await textOf(error)).toBe('There is nothing to compare yet: type at least one passage.')
    // a blank field in between is not sent, and is counted all the same
    await made.fill('q', ['short', '', 'long '.repeat(2000)])
    await page.getByRole('button', { name: 'Compare' }).click()
    await error.getByText('Passage 3').waitFor()
    expect(await textOf(error)).toMatch(/^Passage 3 .*600/)
    expect(await page.getByLabel('Passage 3', { exact: true }).getAttribute('aria-invalid')).toBe(
      'true',
    )
    expect(await page.locator('[aria-invalid]').count()).toBe(1)
    await made.compare('q', ['short', '', 'short again'])
    expect(await textOf(error)).toBe('')
    expect(await page.locator('[aria-invalid]').count()).toBe(0)
    await made.fill('long '.repeat(2000), ['short'])
    await page.getByRole('button', { name: 'Compare' }).click()
    await error.getByText('The query').waitFor()
    expect(await page.getByLabel('Query', { exact: true }).getAttribute('aria-invalid')).toBe(
      'true',
    )
  })

  it('says that a server is busy or gone', async () => {
    const made = await visit()
    const { page } = made
    await page.route('**/similarity', (route) =>
      route.fulfill({
        status: 429,
        headers: { 'retry-after': '7' },
        json: { error: { message: 'The server has as many requests as it may.' } },
      }),
    )
    await made.fill('q', ['p'])
    await page.getByRole('button', { name: 'Compare' }).click()
    const error = page.getByRole('alert')
    await error.getByText('Try again in 7 s').waitFor()
    expect(await textOf(error)).toBe('The server has as many requests as it may. Try again in 7 s.')
    await page.unrouteAll()
    await page.context().setOffline(true)
    await page.getByRole('button', { name: 'Compare' }).click()
    await error.getByText('The server does not answer. Is it still running?').waitFor()
    await page.locator('#dashboard-error', { hasText: 'does not answer' }).waitFor()
    await page.context().setOffline(false)
    await page.locator('#dashboard-error:empty').waitFor({ state: 'attached' })
  })

  it('says that the model is being loaded, and that there is no cache', async () => {
    const { page } = await visit()
    await page.locator('#model', { hasText: 'dimensions' }).waitFor()
    const stats = (await (await fetch(`${open.url}stats`)).json()) as WireStats
    const { model: _, cache: __, ...rest } = stats
    let state = 'loading'
    await page.route('**/stats', (route) => route.fulfill({ json: { ...rest, state } }))
    const note = page.getByRole('note')
    await note.getByText('The model is still being loaded.').waitFor()
    await page.locator('.chart', { hasText: 'Cache hit rate' }).getByText('none').waitFor()
    await page.locator('#facts', { hasText: 'switched off' }).waitFor()
    state = 'failed'
    await note.getByText('The model could not be loaded; the server’s log says why.').waitFor()
    await page.unrouteAll()
    await page.locator('#banner').waitFor({ state: 'hidden' })
  })

  it('asks for an API key, again when it is wrong, and keeps it for the tab', async () => {
    const made = await visit({ url: locked.url })
    const { page } = made
    await page.locator('#dashboard-error', { hasText: 'need the API key' }).waitFor()
    await made.fill('q', ['p'])
    await page.getByRole('button', { name: 'Compare' }).click()
    const dialog = page.getByRole('dialog', { name: 'API key' })
    await dialog.getByText('This server asks for an API key.').waitFor()
    await page.keyboard.type('wrong')
    await page.keyboard.press('Enter')
    await dialog.getByText('The server refused that key.').waitFor()
    await dialog.getByLabel('Key', { exact: true }).fill(KEY)
    await dialog.getByRole('button', { name: 'Use this key' }).click()
    await page.locator('#status', { hasText: 'Compared' }).waitFor()
    await page.locator('#model', { hasText: 'dimensions' }).waitFor()
    expect(await made.evaluate('Object.values({...sessionStorage})')).toEqual([KEY])
    expect(await made.evaluate('JSON.stringify({...localStorage})')).not.toContain(KEY)
    expect(await page.content()).not.toContain(KEY)
    expect(made.requests.filter((request) => request.url().includes(KEY))).toEqual([])
    // forgotten on request
    await page.getByRole('button', { name: 'API key', exact: true }).click()
    await dialog.getByRole('button', { name: 'Forget' }).click()
    expect(await made.evaluate('sessionStorage.length')).toBe(0)
    // Escape leaves things as they are, and the error is said
    await page.getByRole('button', { name: 'Compare' }).click()
    await dialog.waitFor()
    await dialog.getByLabel('Key', { exact: true }).fill('with a space')
    await page.keyboard.press('Enter')
    expect(await dialog.isVisible()).toBe(true)
    await page.keyboard.press('Escape')
    await page.getByRole('alert').getByText('API key').waitFor()
  })

  it('follows the server each second while it is seen', async () => {
    const made = await firstSight()
    const { page } = made
    const fact = (name: string) =>
      page.locator('#facts div', { has: page.getByText(name, { exact: true }) }).locator('dd')
    await page.locator('#status', { hasText: 'Compared' }).waitFor()
    const counted = async () => Number.parseInt(await textOf(fact('Texts, tokens')), 10)
    const readings = async () => (await (await fetch(`${open.url}stats`)).json()) as WireStats
    const before = (await readings()).totals.texts
    const texts = Array.from({ length: 40 }, (_, i) => `text ${i}`)
    await fetch(`${open.url}v1/embed_all`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: texts }),
    })
    const stats = await readings()
    expect(stats.throughput.textsPerSecond).toBeGreaterThan(0)
    const now = page.locator('.chart', { hasText: 'Texts a second' }).locator('.number')
    await expect.poll(async () => Number(await textOf(now))).toBeGreaterThan(0)
    await expect.poll(counted).toBe(before + texts.length)
    expect(await textOf(fact('A text: queue, compute'))).toMatch(/^[\d.]+ ms, [\d.]+ ms$/)
    const chart = page.getByRole('img', { name: /^Texts a second over the last \d+ s: now / })
    expect(
      (await chart.locator('polyline').getAttribute('points'))?.split(' ').length,
    ).toBeGreaterThan(1)
    expect(await textOf(page.locator('.chart', { hasText: 'Memory' }).locator('.number'))).toMatch(
      /^[\d.]+ [MG]iB$/,
    )

    const polls = () => made.requests.filter((request) => request.url().endsWith('/stats')).length
    const staysQuiet = async () => {
      await page.waitForTimeout(100)
      const now = polls()
      await page.waitForTimeout(1200)
      expect(polls()).toBe(now)
    }
    const nextPoll = () => page.waitForRequest('**/stats', { timeout: 60_000 })
    const pause = page.getByRole('button', { name: 'Pause' })
    await pause.click()
    expect(await pause.getAttribute('aria-pressed')).toBe('true')
    await staysQuiet()
    await Promise.all([nextPoll(), pause.click()])
    await nextPoll()
    const show = (state: string) =>
      page.evaluate(`
        Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true })
        document.dispatchEvent(new Event('visibilitychange'))`)
    await show('hidden')
    await staysQuiet()
    await Promise.all([nextPoll(), show('visible')])
    await nextPoll()
  })

  it('follows the system’s theme, and remembers another choice', async () => {
    const made = await visit({ colorScheme: 'dark' })
    const { page } = made
    const lightness = async () => {
      const colour = await made.evaluate<string>('getComputedStyle(document.body).backgroundColor')
      return Number(/\d+/.exec(colour)?.[0])
    }
    expect(await lightness()).toBeLessThan(60)
    const button = page.getByRole('button', { name: /^Theme/ })
    expect(await textOf(button)).toBe('Theme: system')
    await button.click()
    expect(await textOf(button)).toBe('Theme: light')
    expect(await lightness()).toBeGreaterThan(200)
    await page.reload()
    expect(await lightness()).toBeGreaterThan(200)
    await button.click()
    expect(await lightness()).toBeLessThan(60)
    await button.click()
    expect(await made.evaluate('localStorage.length')).toBe(0)
  })

  it('fits a phone', async () => {
    const made = await visit({ width: 390, height: 844 })
    await made.compare(QUERY, [...PASSAGES, QUERY])
    expect(await made.evaluate('document.documentElement.scrollWidth')).toBe(390)
    const map = made.page.locator('#map .scroll')
    expect(await map.evaluate((e) => e.scrollWidth - e.clientWidth)).toBe(0)
  })

  it('keeps the form off the dashboard, wherever one scrolls', async () => {
    const made = await visit()
    await made.compare(QUERY, [...PASSAGES, ...PASSAGES])
    const height = await made.evaluate<number>('document.documentElement.scrollHeight')
    for (let y = 0; y <= height; y += 200) {
      const gap = await made.evaluate<number>(`
        window.scrollTo({ top: ${y}, behavior: 'instant' })
        document.querySelector('.dashboard').getBoundingClientRect().top -
          document.getElementById('form').getBoundingClientRect().bottom`)
      if (y === 0) expect(gap).toBeGreaterThan(0)
    }
    const pane = await made.page.locator('.pane').boundingBox()
    const dashboard = await made.page.locator('.dashboard').boundingBox()
    expect((pane?.y ?? 0) + (pane?.height ?? 0)).toBeLessThanOrEqual(dashboard?.y ?? 0)
  })

  const edges = 'document.getElementById("results").getBoundingClientRect()'

  /** Where a page is once it scrolls no more: filling a field may move it, and smoothly. */
  async function settled(seen: Awaited<ReturnType<typeof visit>>): Promise<number> {
    for (;;) {
      const before = await seen.evaluate<number>('window.scrollY')
      await seen.page.waitForTimeout(400)
      if ((await seen.evaluate<number>('window.scrollY')) === before) return before
    }
  }

  it('scrolls to results that come below the form, and stays where they are in view', async () => {
    const phone = await visit({ width: 390, height: 844 })
    expect(await phone.evaluate<number>(`${edges}.top`)).toBeGreaterThan(0)
    await phone.fill(QUERY, PASSAGES)
    expect(await phone.evaluate<number>(`${edges}.top`)).toBeGreaterThan(844 / 2)
    await phone.page.getByRole('button', { name: 'Compare' }).click()
    await expect.poll(() => phone.evaluate<number>(`${edges}.top`)).toBeLessThan(40)
    await expect.poll(() => phone.evaluate<number>(`${edges}.top`)).toBeGreaterThanOrEqual(0)
    // an error is read at the form
    await phone.page.locator('#query').fill('')
    const before = await settled(phone)
    await phone.page.keyboard.press('Control+Enter')
    await phone.page.getByRole('alert').getByText('nothing to compare').waitFor()
    await phone.page.waitForTimeout(500)
    expect(await phone.evaluate('window.scrollY')).toBe(before)

    const desk = await visit()
    await desk.fill(QUERY, PASSAGES)
    const place = await settled(desk)
    await desk.page.keyboard.press('Control+Enter')
    await desk.page.locator('#status', { hasText: 'Compared' }).waitFor()
    await desk.page.waitForTimeout(500)
    expect(await desk.evaluate('window.scrollY')).toBe(place)
  })

  it('dims results that an error has made stale, until there are new ones', async () => {
    const made = await visit()
    const { page } = made
    const compare = page.getByRole('button', { name: 'Compare' })
    await compare.click()
    await page.getByRole('alert').getByText('nothing to compare').waitFor()
    expect(await page.locator('.stale').count()).toBe(0)
    await made.compare(QUERY, PASSAGES)
    const colours = () =>
      page
        .locator('#scores .fill, #scores .token, #map td')
        .evaluateAll((all) =>
          all.map((e) => e.ownerDocument.defaultView.getComputedStyle(e).backgroundColor),
        ) as Promise<string[]>
    const fresh = await colours()
    const words = await textOf(page.locator('#scores'))

    await page.route('**/similarity', (route) => route.fulfill({ status: 500, json: {} }))
    await compare.click()
    await page.locator('#status', { hasText: 'the comparison before' }).waitFor()
    expect(await page.locator('.stale').count()).toBe(2)
    const stale = await colours()
    expect(stale).toHaveLength(fresh.length)
    const filled = fresh.flatMap((colour, i) => (/^rgb\(/.test(colour) ? [i] : []))
    expect(filled.length).toBeGreaterThan(PASSAGES.length)
    for (const i of filled) expect(stale[i]).not.toBe(fresh[i])
    expect(await textOf(page.locator('#scores'))).toBe(words)

    await page.unrouteAll()
    await compare.click()
    await page.locator('#status', { hasText: 'Compared' }).waitFor()
    expect(await page.locator('.stale').count()).toBe(0)
    await expect.poll(colours).toEqual(fresh)
  })

  it('cuts long texts when the switch says so, and says which it has cut', async () => {
    const made = await visit()
    const { page } = made
    const texts = ['short', 'long '.repeat(2000)]
    await made.fill('q', texts)
    await page.getByRole('button', { name: 'Compare' }).click()
    await page.getByRole('alert').getByText('switch on “Cut long texts”').waitFor()
    await page.getByRole('checkbox', { name: 'Cut long texts' }).check()
    await made.compare('q', texts)
    expect(await textOf(page.getByRole('alert'))).toBe('')
    const expected = await api('q', texts, true)
    for (const { index, scores, truncated, tokenCount } of expected.passages) {
      const card = page.locator('.cards .card', { hasText: `Passage ${index + 1}` })
      expect(await card.locator('.cut').allInnerTexts()).toEqual(
        truncated ? [`cut to ${tokenCount} tokens`] : [],
      )
      expect(await textOf(card.locator('li[data-mode="dense"] .value'))).toBe(
        scores.dense?.toFixed(3),
      )
    }
    expect(expected.passages.map(({ truncated }) => truncated)).toEqual([false, true])
    await made.compare('long '.repeat(2000), ['short'])
    expect(await textOf(page.locator('.query .cut'))).toBe('cut to 600 tokens')
  })

  it('neither counts nor times what asks for readings and files', async () => {
    const { page } = await firstSight()
    await page.locator('#status', { hasText: 'Compared' }).waitFor()
    const facts = async () => {
      const all = await page.locator('#facts div').allInnerTexts()
      return all.filter((fact) => !/^(State|Weights)/.test(fact))
    }
    // the times of the comparison are of the last seconds
    await expect.poll(async () => (await facts()).join()).toContain('A text: queue, compute\n–')
    const before = await facts()
    for (const path of ['', 'page/app.js', 'page/style.css', 'health', 'ready', 'metrics', 'stats'])
      for (let i = 0; i < 5; i++) expect((await fetch(open.url + path)).status).toBe(200)
    for (let i = 0; i < 3; i++) await page.waitForResponse('**/stats')
    expect(await facts()).toEqual(before)
    expect(
      await page.locator('.chart', { hasText: 'a second' }).locator('.number').allInnerTexts(),
    ).toEqual(['0', '0'])

    await api('a text that nobody has asked about', ['nor about this one'])
    await expect.poll(facts).not.toEqual(before)
  })

  it('has been tested in nearly all of its functions', () => {
    const all = [...functions.values()]
    const ran = all.filter(Boolean).length
    console.log(`the page: ${ran} of ${all.length} functions ran in Chromium`)
    expect(all.length).toBeGreaterThan(80)
    expect(ran / all.length).toBeGreaterThan(0.95)
  })
})
