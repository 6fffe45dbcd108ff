import fs from 'node:fs'
import { describe, expect, it } from 'vitest'
import { tinyPath } from '../../helpers/standins.js'
import { clustered, dataOf, file, write, writeRows } from '../report/data.js'
import { cli, interruptible, jsonLines } from './run.js'

const rows = clustered({ rows: 60 })
const vectors = writeRows('vectors.jsonl', rows)
const read = (path: string) => fs.readFileSync(path, 'utf8')

describe('bge-m3 report', () => {
  it('shows what embed and its record gave, with texts of what was embedded', async () => {
    const corpus = writeRows(
      'corpus.jsonl',
      rows.slice(0, 12).map(({ id, text }, i) => ({ _id: id, text, lang: i % 2 ? 'de' : 'en' })),
    )
    const [embedded, record, output] = [file('e.jsonl'), file('run.json'), file('r.html')]
    const model = await tinyPath()
    const embed = await cli([
      'embed',
      '-i',
      corpus,
      '-o',
      embedded,
      '--stats',
      record,
      '--model',
      model,
    ])
    expect(embed.code).toBe(0)
    const run = JSON.parse(read(record))
    expect(run).toMatchObject({
      texts: 12,
      cached: expect.any(Number),
      stages: { computeMs: expect.any(Number) },
    })
    expect(run.stages.computeMs).toBeGreaterThan(0)

    const { code, stderr, stdout } = await cli([
      'report',
      '-i',
      embedded,
      '--run',
      record,
      '--texts',
      corpus,
      '-o',
      output,
    ])
    expect(stderr).toMatch(/wrote .*r\.html \(.*\): 12 vectors of 64 dimensions, in .* s\./)
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    const report = read(output)
    const { charts, map } = dataOf(report)
    expect(charts.map(({ id }) => id)).toContain('similarities')
    expect(map?.texts?.[0]).toBe(rows[0]?.text)
    expect(map?.attributes.map(({ name }) => name)).toEqual(['cluster', 'tokens', 'lang'])
    expect(report.includes('a stand-in with random weights')).toBe(true)
    expect(run.model.fingerprint).toMatch(/^[0-9a-f]{8,}/)
    expect(report.includes(`Embedded by ${run.model.name}, fingerprint`)).toBe(true)
    expect(report.includes(run.model.fingerprint)).toBe(true)
  })

  it('compares, evaluates, and says what it made as JSON', async () => {
    const other = writeRows('other.jsonl', clustered({ rows: 55, drift: 0.1, known: false }))
    const evaluation = write('eval.json', JSON.stringify({ dense: { 'recall@10': 0.9 }, ci: {} }))
    const output = file('pair.html')
    const { code, stdout } = await cli([
      'report',
      '-i',
      vectors,
      '--compare',
      other,
      '--evaluation',
      evaluation,
      '--title',
      'Two <sets>',
      '--map',
      'pca',
      '-o',
      output,
      '--json',
    ])
    expect(code).toBe(0)
    expect(jsonLines(stdout)).toEqual([
      {
        output,
        bytes: fs.statSync(output).size,
        vectors: 60,
        dimensions: 64,
        failed: 0,
        seconds: expect.any(Number),
      },
    ])
    const report = read(output)
    expect(report.includes('<title>Two &lt;sets&gt;</title>')).toBe(true)
    expect(dataOf(report).charts.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['drift-dense', 'evaluation']),
    )
  })

  it('names the model that embed wrote beside the vectors', async () => {
    const vectors = file('named.jsonl')
    const embed = ['embed', '--model', await tinyPath(), '-o', vectors]
    expect((await cli([...embed, ...rows.slice(0, 4).map(({ text = '' }) => text)])).code).toBe(0)
    const { model } = JSON.parse(read(`${vectors}.meta.json`))
    const output = file('named.html')
    expect((await cli(['report', '-i', vectors, '-o', output, '--map', 'none'])).code).toBe(0)
    expect(read(output)).toContain(`fingerprint <code>${model.fingerprint}</code>`)
    expect(read(output)).toContain('The model is a stand-in')
  })

  it('tells files of one name apart by their folders', async () => {
    fs.mkdirSync(file('int8'), { recursive: true })
    const twin = writeRows('int8/vectors.jsonl', rows)
    const output = file('twins.html')
    expect(
      (await cli(['report', '-i', vectors, '--compare', twin, '--map', 'pca', '-o', output])).code,
    ).toBe(0)
    expect(dataOf(read(output)).map?.sets.map(({ name }) => name)).toEqual([
      'vectors.jsonl',
      'int8/vectors.jsonl',
    ])
  })

  it('shows on a terminal what it is at', async () => {
    const { stderr } = await cli(['report', '-i', vectors, '--map', 'none', '-o', file('t.html')], {
      tty: { stderr: true },
    })
    expect(stderr).toContain('reading the vectors ...')
    expect(stderr).toContain('checking the vectors ...')
  })

  it('notes that no id is in the file of texts', async () => {
    const texts = writeRows('strange.jsonl', [{ id: 'x', text: 'y' }])
    const { stderr } = await cli([
      'report',
      '-i',
      vectors,
      '--texts',
      texts,
      '--map',
      'none',
      '-o',
      file('t.html'),
    ])
    expect(stderr).toContain('none of the ids is in the --texts file')
  })

  it.each([
    [['-o', 'x.html'], /--input/],
    [['-i', vectors], /--output/],
    [['-i', vectors, '-o', file('x.html'), '--seed', '-1'], /--seed must be/],
    [['-i', vectors, '-o', file('x.html'), '--map', 'tsne'], /Allowed choices/],
    [['-i', vectors, '-o', vectors], /overwrite/],
    [['-i', file('nowhere.jsonl'), '-o', file('x.html')], /There is no file/],
    [['-i', file('nowhere.jsonl'), '-o', file('no/such/x.html')], /Cannot write .*ENOENT/],
    [
      ['-i', vectors, '-o', file('no/such/folder/x.html'), '--map', 'none'],
      /Cannot write .* \(ENOENT\)/,
    ],
    [['-i', vectors, '-o', file('x.html'), '--run', vectors], /no JSON object/],
    [
      ['-i', write('text.jsonl', 'a secret\n'), '-o', file('x.html')],
      /Line 1 of text\.jsonl is no JSON object/,
    ],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await cli(['report', ...args])
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
    expect(stderr).not.toContain('secret')
    expect(fs.existsSync(file('x.html'))).toBe(false)
  })

  it('leaves nothing half done when it is interrupted', async () => {
    const { signal, interrupt } = interruptible()
    const output = file('interrupted.html')
    setTimeout(interrupt, 1)
    const { code, stderr } = await cli(['report', '-i', vectors, '-o', output], { signal })
    expect(code).toBe(130)
    expect(stderr).toContain('interrupted')
    expect(fs.existsSync(output)).toBe(false)
  })

  it('puts runs side by side, without vectors', async () => {
    const model = await tinyPath()
    const records = ['a', 'b'].map((name) => file(`run-${name}.json`))
    for (const [i, record] of records.entries()) {
      const args = ['embed', 'one', 'two words', '--model', model, '--stats', record]
      expect((await cli([...args, ...(i === 0 ? [] : ['--max-tokens', '3'])])).code).toBe(i)
    }
    const output = file('runs.html')
    const { code, stderr } = await cli(['report', ...records, '-o', output])
    expect(code, stderr).toBe(0)
    expect(stderr).toMatch(/wrote .*runs\.html \(.*\): 2 runs, in/)
    const report = read(output)
    const cells = (name: string) =>
      [
        ...(
          new RegExp(`<th scope="row">${name}</th>(.*?)</tr>`, 's').exec(report)?.[1] ?? ''
        ).matchAll(/<td>(.*?)<\/td>/g),
      ].map(([, text]) => text)
    expect(cells('Command')).toEqual(['embed', 'embed'])
    expect(cells('Texts')).toEqual(['2', '2'])
    expect(cells('Failed')).toEqual(['0', '1'])
    expect(cells('Failed, by code')).toEqual(['–', 'INPUT_TOO_LONG: 1'])
    // of the options what differs
    expect(cells('Option maxTokens')).toEqual(['–', '3'])
    expect(cells('Option threads')).toEqual([])
    const [first, second] = records.map((record) => JSON.parse(read(record)))
    const [, rate] = cells('Tokens per second')
    const ratio = second.tokensPerSecond / first.tokensPerSecond
    expect(Number(/× ([\d.,]+)/.exec(rate ?? '')?.[1]?.replace(',', ''))).toBeCloseTo(ratio, 1)
    expect(cells('Loading the model')).toHaveLength(2)
    const [chart] = dataOf(report).charts
    expect(chart).toMatchObject({ id: 'runs-tokens', categories: ['run-a.json', 'run-b.json'] })
  })

  it.each([
    [['one.json'], /by --run, or give two or more/],
    [[], /name --input, or records of runs/],
    [['a.json', 'b.json', '--compare', 'c.jsonl'], /--compare is about the vectors/],
    [['/nowhere/a.json', '/nowhere/b.json'], /a\.json/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await cli(['report', ...args, '-o', file('none.html')])
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
  })
})
