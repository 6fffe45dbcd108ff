/** Too little memory is a typed error, never an abort of the process. */
import { beforeAll, describe, expect, it } from 'vitest'
import { importPackage, runModule } from '../../helpers/child.js'
import { has } from '../../helpers/needs.mjs'
import { standinPath } from '../../helpers/standins.js'

let small: string
let tiny: string
/** KiB of address space of a Node process that has loaded the addon and nothing else. */
let floor: number

beforeAll(async () => {
  small = await standinPath({ size: 'small' })
  tiny = await standinPath({ size: 'tiny' })
  const end = await runModule(`${importPackage}
    import fs from 'node:fs'
    await Embedder.load({ model: '/nowhere' }).catch(() => {})
    const m3 = await Embedder.load({ model: ${JSON.stringify(tiny)}, lazy: true })
    const peak = /VmPeak:\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))
    console.log(peak[1])`)
  expect(end, end.stderr).toMatchObject({ code: 0, signal: null })
  // room for V8 itself, whose heap ends the process when it cannot grow
  floor = Number(end.stdout) + 64 * 1024
})

interface Outcome {
  step: 'load' | 'embed' | 'done'
  name?: string
  code?: string
  message?: string
}

/** Whether the process was ended by V8, which cannot do without memory of its own. */
function endedByV8({ signal, stderr }: { signal: string | null; stderr: string }): boolean {
  return signal === 'SIGABRT' && stderr.includes('JavaScript heap out of memory')
}

/** Loads and embeds under a limit of `mebibytes` above what Node itself takes. */
async function under(
  mebibytes: number,
  model: string,
  text: string,
  threads = 2,
): Promise<Outcome> {
  const run = () =>
    runModule(
      `${importPackage}
    let step = 'load'
    try {
      const m3 = await Embedder.load({ model: ${JSON.stringify(model)}, threads: ${threads} })
      step = 'embed'
      await m3.embed(${text})
      console.log(JSON.stringify({ step: 'done' }))
    } catch (e) {
      const { code, message } = e.code === 'BATCH' ? e.failures[0].error : e
      console.log(JSON.stringify({ step, code, message, name: e.constructor.name }))
    }`,
      { shellPrefix: `ulimit -v ${floor + mebibytes * 1024};`, deadline: 120_000 },
    )
  let end = await run()
  for (let i = 0; i < 3 && endedByV8(end); i++) end = await run()
  const what = `${mebibytes} MiB: ${end.stdout}${end.stderr}`
  expect(end, what).toMatchObject({ code: 0, signal: null, timedOut: false })
  return JSON.parse(end.stdout)
}

// address space is limited this way on Linux alone
describe.skipIf(!has('linux'))('address space', () => {
  it('too small for the weights: MemoryLimitError that names the file and both sizes', async () => {
    const outcome = await under(100, small, JSON.stringify('hello'))
    expect(outcome).toMatchObject({ step: 'load', name: 'MemoryLimitError', code: 'MEMORY_LIMIT' })
    expect(outcome.message).toContain(small)
    expect(outcome.message).toMatch(/needs \d+ MiB, and \d+ MiB are free/)
    expect(outcome.message).toMatch(/raise the limit/)
  })

  it('from nothing to plenty: an embedding, or a typed error at some step', async () => {
    const outcomes: Outcome[] = []
    for (const mebibytes of [60, 120, 300, 420, 600, 800, 4000]) {
      outcomes.push(await under(mebibytes, small, JSON.stringify('hello')))
    }
    for (const { step, code } of outcomes) {
      if (step !== 'done') expect(code).toBe('MEMORY_LIMIT')
    }
    console.info(`small under limits: ${outcomes.map(({ step }) => step).join(' ')}`)
    expect(outcomes[0]?.step).toBe('load')
    expect(outcomes.at(-1)?.step).toBe('done')
  })

  it('enough for the weights, too little for a long text', async () => {
    const long = "'word '.repeat(8000)"
    const steps: string[] = []
    // llama.cpp reserves logits of the whole vocabulary for every token: 7.6 GiB, never touched
    // below 60 Node itself may end: with no address space left its stack cannot grow.
    for (const mebibytes of [60, 80, 120, 200, 500, 2000, 12_000]) {
      const { step, code } = await under(mebibytes, tiny, long)
      if (step !== 'done') expect(code).toBe('MEMORY_LIMIT')
      steps.push(step)
    }
    console.info(`tiny with 8,000 tokens under limits: ${steps.join(' ')}`)
    expect(steps).toContain('embed')
    expect(steps.at(-1)).toBe('done')
  })

  it('room for some of the compute threads', async () => {
    // ggml would abort the process; eight stacks make the window wide enough to be met
    for (let mebibytes = 80; mebibytes <= 220; mebibytes += 14) {
      const { step, code } = await under(mebibytes, tiny, "'a'", 8)
      if (step !== 'done') expect(code).toBe('MEMORY_LIMIT')
    }
  })

  it('a text that does not fit costs the next one nothing', async () => {
    const end = await runModule(
      `${importPackage}
      const m3 = await Embedder.load({ model: ${JSON.stringify(tiny)}, threads: 1 })
      const before = (await m3.embed('short')).dense.join()
      const big = await m3.embed(Array(4).fill('word '.repeat(8000)), { onError: 'collect' })
      const after = (await m3.embed('short')).dense.join()
      console.log(JSON.stringify({ big: big.map((r) => r.code ?? 'done'), same: before === after }))`,
      { shellPrefix: `ulimit -v ${floor + 1000 * 1024};`, deadline: 120_000 },
    )
    expect(end, end.stderr).toMatchObject({ code: 0, signal: null, timedOut: false })
    const { big, same } = JSON.parse(end.stdout)
    expect(same).toBe(true)
    expect(big).toEqual(Array(4).fill('MEMORY_LIMIT'))
  })
})

describe.skipIf(!has('linux'))('resident memory', () => {
  it('does not grow with every other length of text', async () => {
    // llama.cpp lays states behind room for a quarter of a million logits a token: each length of text
    // touches other pages, 190 MB of them here if nobody gave them back
    const end = await runModule(
      `${importPackage}
      import fs from 'node:fs'
      const rss = () => Number(/VmRSS:\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) / 1024
      const m3 = await Embedder.load({ model: ${JSON.stringify(small)}, cache: false })
      const embed = (tokens) => m3.embed('a '.repeat(tokens), { truncate: 'end', maxTokens: tokens })
      for (const tokens of [512, 500, 490]) await embed(tokens)
      const before = rss()
      for (let tokens = 400; tokens < 500; tokens++) await embed(tokens)
      console.log(rss() - before)`,
      { deadline: 120_000 },
    )
    expect(end, end.stderr).toMatchObject({ code: 0, signal: null })
    expect(Number(end.stdout)).toBeLessThan(30)
  })
})
