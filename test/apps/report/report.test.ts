import fs from 'node:fs'
import { describe, expect, it } from 'vitest'
import { document, inScript, pageScript } from '../../../lib/apps/report/html/document.js'
import { html, jsonForScript, raw } from '../../../lib/apps/report/html/markup.js'
import {
  createReport,
  type RunReading,
  readEvaluation,
  readRun,
  readVectors,
  tableOf,
} from '../../../lib/exports/report.js'
import { clustered, dataOf, file, write, writeRows } from './data.js'

const tableFrom = (rows: ReturnType<typeof clustered>) =>
  tableOf(
    rows.map(({ id, dense, tokenCount, metadata }) => ({
      id,
      embedding: { dense, tokenCount },
      metadata,
    })),
    new Map(rows.map(({ id, text }) => [id, text ?? ''])),
  )

/** Without half a megabyte of script in the message of a failure. */
function expectIn(report: string, part: string): void {
  expect(report.includes(part), part).toBe(true)
}

describe('a report', () => {
  it('is the same, byte by byte, for the same input and seed', async () => {
    const rows = clustered({ rows: 120 })
    const make = (seed: number) => createReport({ vectors: tableFrom(rows), name: 'x', seed })
    const [first, second, other] = [await make(1), await make(1), await make(2)]
    expect(second === first).toBe(true)
    expect(other === first).toBe(false)
  })

  it('allows its own script and style only, by their hashes', async () => {
    const report = await createReport({ vectors: tableFrom(clustered({ rows: 30 })), map: 'none' })
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(report)?.[1]
    expect(policy?.replace(/sha256-[\w+/=]+/g, 'HASH').replaceAll('&#39;', "'")).toBe(
      "default-src 'none'; script-src 'HASH'; style-src 'HASH'; img-src data:; base-uri 'none'; form-action 'none'",
    )
    // beside the script, nothing names an address
    const markup = report.replace(/<script.*?<\/script>/gs, '')
    expect(markup.match(/\b(?:src|href)="(?!#)[^"]*|url\(|@import/g)).toBeNull()
    expectIn(report, '<title>Report on embeddings</title>')
    expect(dataOf(report).map).toBeNull()
  })

  it('keeps hostile ids, texts and names as text', async () => {
    const evil = '</script><script>alert(1)</script><!--<script>'
    const rows = clustered({ rows: 40 }).map((row, i) =>
      i === 3 ? { ...row, id: evil, text: evil, metadata: { [evil]: evil } } : row,
    )
    const report = await createReport({ vectors: tableFrom(rows), name: evil, map: 'pca' })
    // the data, and the page's script: nothing else opens or ends one
    expect(report.match(/<script/g)).toHaveLength(2)
    expect(report.match(/<\/script/g)).toHaveLength(2)
    expect(report.includes('alert(1)</script>')).toBe(false)
    const { map } = dataOf(report)
    expect(map?.ids[3]).toBe(evil)
    expect(map?.texts?.[3]).toBe(evil)
    expect(map?.sets[0]?.name).toBe(evil)
  })

  it('shows vectors that cannot be drawn among the issues', async () => {
    const rows = clustered({ rows: 60 })
    const path = writeRows('issues.jsonl', [
      ...rows,
      { id: 'zero', dense: rows[0]?.dense.map(() => 0) },
      { id: 'nan', dense: rows[0]?.dense.map(() => null) },
      { id: 'short', dense: [1, 2, 3] },
      { id: 'twice', dense: rows[0]?.dense },
      { id: 'failed', error: { code: 'INPUT_TOO_LONG', message: 'too long' } },
    ])
    const report = await createReport({ vectors: await readVectors(path), map: 'pca' })
    const { map } = dataOf(report)
    const present = Buffer.from(map?.sets[0]?.present ?? '', 'base64')
    expect([...present.subarray(59)]).toEqual([1, 0, 0, 0, 1])
    const issues = map?.attributes.find(({ name }) => name === 'issue')
    expect(issues?.kind === 'category' && issues.labels).toEqual(
      expect.arrayContaining(['dimension, norm', 'zero', 'not-finite']),
    )
    expectIn(report, '1 × INPUT_TOO_LONG')
    expectIn(report, 'has another length than expected')
  })

  it('takes one vector, and vectors of which none can be drawn', async () => {
    const one = await createReport({ vectors: tableFrom(clustered({ rows: 1 })) })
    expect(dataOf(one).map?.ids).toHaveLength(1)
    const none = await readVectors(writeRows('none.jsonl', [{ dense: [0, 0] }, { dense: [0, 0] }]))
    expect(dataOf(await createReport({ vectors: none })).map).toBeNull()
  })

  it('takes int8 vectors, whose lengths mean nothing', async () => {
    const rows = clustered({ rows: 50 }).map(({ id, dense }) => ({
      id,
      embedding: { dense: Int8Array.from(dense, (value) => Math.round(value * 300)) },
    }))
    const report = await createReport({ vectors: tableOf(rows), map: 'none' })
    expectIn(report, 'No issue was found in any vector.')
  })

  it('draws lengths where they differ, and says so where they do not', async () => {
    const rows = clustered({ rows: 30 })
    const ids = (report: string) => dataOf(report).charts.map(({ id }) => id)
    const unit = await createReport({ vectors: tableFrom(rows), map: 'none' })
    expect(ids(unit)).not.toContain('norms')
    expectIn(unit, 'Every vector has the length 1.')
    const long = rows.map((row, i) => ({ ...row, dense: row.dense.map((x) => x * (1 + i)) }))
    const other = await createReport({ vectors: tableFrom(long), map: 'none' })
    expect(ids(other)).toContain('norms')
    expect(other.includes('Every vector has the length')).toBe(false)
  })

  it('names the model at its head as the run does, and nothing that nobody said', async () => {
    const rows = clustered({ rows: 30 })
    const run = { seconds: 1, texts: 30, tokens: 90, failures: 0, textsPerSecond: 30 }
    const head = async (model?: RunReading['model'], options?: RunReading['options']) => {
      const given = {
        ...run,
        tokensPerSecond: 90,
        ...(model && { model }),
        ...(options && { options }),
      }
      const report = await createReport({ vectors: tableFrom(rows), map: 'none', run: given })
      return { report, head: /<header>.*?<\/header>/s.exec(report)?.[0] ?? '' }
    }
    const real = await head({ name: '<m3>', fingerprint: 'abc123', standin: false })
    expect(real.head).toContain('Embedded by &lt;m3&gt;, fingerprint <code>abc123</code>')
    expect(real.report.includes('random weights')).toBe(false)
    const random = await head({ name: 'm3', standin: true })
    expect(random.head).toContain('stand-in with random weights')
    expect(random.head).not.toContain('fingerprint')
    expect((await head()).head).not.toMatch(/Embedded by|random/)
    const options = { outputs: { dense: true, sparse: true, colbert: false }, threads: 2 }
    const { report } = await head({ name: 'm3' }, options)
    expectIn(report, '<dt>outputs</dt><dd>dense, sparse</dd>')
    expect(report.includes('&quot;dense&quot;')).toBe(false)
  })

  it('draws nothing of a run that has one sample, and no cache that gave nothing', async () => {
    const sample = { texts: 1, tokens: 2, textsPerSecond: 1, tokensPerSecond: 2, rssBytes: 3 }
    const charts = async (...cached: number[]) => {
      const timeline = cached.map((count, i) => ({ ...sample, seconds: i + 1, cached: count }))
      const run = { ...sample, seconds: 2, failures: 0, timeline }
      const vectors = tableFrom(clustered({ rows: 5 }))
      const report = await createReport({ vectors, map: 'none', run })
      return dataOf(report).charts.flatMap(({ id }) => (id.startsWith('run-') ? [id] : []))
    }
    expect(await charts(0)).toEqual([])
    expect(await charts(0, 0)).toEqual(['run-tokens', 'run-texts', 'run-memory'])
    expect(await charts(0, 1)).toContain('run-cache')
  })

  it('leaves out metadata that are alike for all', async () => {
    const rows = clustered({ rows: 30 }).map((row) => ({
      ...row,
      metadata: { ...row.metadata, source: 'one' },
    }))
    const report = await createReport({ vectors: tableFrom(rows), map: 'pca' })
    const names = dataOf(report).map?.attributes.map(({ name }) => name)
    expect(names).toEqual(['cluster', 'tokens', 'subject', 'year', 'draft'])
  })

  it('refuses to compare sets without a common id, and stops at a signal', async () => {
    const a = tableFrom(clustered({ rows: 10 }))
    const b = tableOf([{ id: 'other', embedding: { dense: [1, 2] } }])
    const compare = { vectors: b, name: 'b' }
    await expect(createReport({ vectors: a, compare })).rejects.toThrow('no id in common')
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(createReport({ vectors: a, signal })).rejects.toThrow('enough')
  })

  it('compares sets of one space on common axes, and of two spaces by neighbours', async () => {
    const rows = clustered({ rows: 200 })
    const near = clustered({ rows: 190, drift: 0.1, known: false })
    const stages: string[] = []
    const report = await createReport({
      vectors: tableFrom(rows),
      name: 'a',
      compare: { vectors: tableFrom(near), name: 'b' },
      onStage: (stage) => stages.push(stage),
    })
    expect(stages).toEqual(['quality', 'comparison', 'map', 'page'])
    const { map, charts } = dataOf(report)
    expect(map?.sets.map(({ name }) => name)).toEqual(['a', 'b'])
    expect(map?.sets[1]?.layouts[0]?.axes).toEqual(map?.sets[0]?.layouts[0]?.axes)
    const names = map?.attributes.map(({ name }) => name)
    expect(names).toEqual(
      expect.arrayContaining(['drift', 'neighbour overlap@10', 'subject', 'year']),
    )
    expect(charts.map(({ id }) => id)).toContain('drift-dense')
    expectIn(report, '10 items are only in A.')

    const narrow = near.map(({ id, dense }) => ({ id, embedding: { dense: dense.slice(0, 32) } }))
    const other = await createReport({
      vectors: tableFrom(rows),
      compare: { vectors: tableOf(narrow), name: 'b' },
      map: 'pca',
    })
    const attributes = dataOf(other).map?.attributes.map(({ name }) => name)
    expect(attributes).toContain('neighbour overlap@10')
    expect(attributes).not.toContain('drift')
  })
})

describe('markup', () => {
  it('escapes what is put into it', () => {
    const part = html`<b title="${'"\'&'}">${'<i>'}</b>`
    expect(html`${[part, part]}${null}${false}${undefined}${1.5}${raw('<hr>')}`.text).toBe(
      `${'<b title="&quot;&#39;&amp;">&lt;i&gt;</b>'.repeat(2)}1.5<hr>`,
    )
    expect(jsonForScript({ a: '</script>\u2028\u2029' }).text).toBe(
      '{"a":"\\u003c/script>\\u2028\\u2029"}',
    )
    expect(JSON.parse(jsonForScript(['<!--']).text)).toEqual(['<!--'])
  })

  it('keeps a script within its element', () => {
    expect(inScript('a = "</script><!--"\r\nb()\n//# sourceMappingURL=x\n')).toBe(
      'a = "<\\/script>\\x3C!--"\nb()',
    )
  })

  it('says what is missing when the package is not whole', async () => {
    await expect(pageScript(file('nowhere.js'))).rejects.toThrow('npm run build')
    expect(/<\/script|<!--|\beval\(|new Function/.test(await pageScript())).toBe(false)
    const page = document({
      title: 'T',
      subtitle: 's',
      sections: [],
      data: { charts: [], map: null },
      script: '1',
    })
    expect(page).toMatch(/^<!doctype html>\n<html lang="en">/)
  })
})

describe('files beside the vectors', () => {
  it('are checked for what they are', async () => {
    const run = {
      seconds: 1,
      texts: 2,
      tokens: 3,
      failures: 0,
      textsPerSecond: 2,
      tokensPerSecond: 3,
    }
    expect(await readRun(write('run.json', JSON.stringify(run)))).toMatchObject(run)
    await expect(readRun(write('run.json', '{"seconds":1}'))).rejects.toThrow('no number "texts"')
    await expect(readRun(write('run.json', '[1]'))).rejects.toThrow('run.json is no JSON object.')
    await expect(readRun(write('run.json', '{'))).rejects.toThrow('run.json is no JSON object.')
    await expect(readRun(file('nowhere.json'))).rejects.toThrow('There is no file')
    const evaluation = write('eval.json', '{"dense":{"ndcg@10":0.5},"sparse":7,"seconds":2}')
    expect(await readEvaluation(evaluation)).toEqual({
      dense: { 'ndcg@10': 0.5 },
      seconds: 2,
      ci: {},
      notes: [],
    })
    await expect(readEvaluation(write('eval.json', '{"a":1}'))).rejects.toThrow('is no evaluation')
    expect(fs.existsSync(file('eval.json'))).toBe(true)
  })
})
