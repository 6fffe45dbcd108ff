import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { importPackage, runModule } from '../helpers/child.js'
import { container } from '../helpers/container.mjs'
import { has } from '../helpers/needs.mjs'
import { standinPath } from '../helpers/standins.js'

const MB = 1_000_000

let small: string
beforeAll(async () => {
  small = await standinPath({ size: 'small' }) // 341 MB
})

describe.skipIf(!has('container'))('in a container', () => {
  let group: ReturnType<typeof container>
  afterEach(() => group?.remove())

  const inside = (bytes: number, body: string) => {
    group = container(bytes)
    const { shellPrefix } = group
    const options = `model: ${JSON.stringify(small)}, cache: 0, logger: {}`
    return runModule(`${importPackage}\nconst options = { ${options} }\n${body}`, { shellPrefix })
  }

  it('the limit is what the container leaves, and batches get small before memory is gone', async () => {
    const { code, signal, stdout, stderr } = await inside(
      700 * MB,
      `
      const told = []
      const m3 = await Embedder.load({ ...options, onMemory: (reading) => told.push(reading) })
      const texts = Array.from({ length: 40 }, (_, i) => 'text ' + i + ' word'.repeat(100))
      const { limit, free, rss } = m3.stats().memory
      const before = await m3.embed(texts)
      const program = []
      while (told.length === 0 && program.length < 60) {
        program.push(Buffer.alloc(8e6, 1))
        await new Promise((resolve) => setTimeout(resolve, 110))
        await m3.embed(texts.slice(0, 2))
      }
      const after = await m3.embed(texts)
      const equal = after.every(({ dense }, i) => dense.every((x, j) => x === before[i].dense[j]))
      console.log(JSON.stringify({ limit, free, rss, told, equal }))
      await m3.dispose()`,
    )
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
    const { limit, free, rss, told, equal } = JSON.parse(stdout)
    expect(limit).toBeGreaterThan(500 * MB)
    expect(limit).toBeLessThan(700 * MB)
    // the file's pages are no burden: its weights are a copy of them
    expect(free).toBeGreaterThan(700 * MB - rss - 50 * MB)
    expect(told[0].batchTokens).toBeLessThan(512)
    expect(told[0].freeBytes).toBeLessThan(200 * MB)
    expect(equal).toBe(true)
  })

  it('a model that does not fit is an error, and not the end of the process', async () => {
    const { code, stdout } = await inside(
      300 * MB,
      `await Embedder.load(options).catch(({ code, message }) => console.log(code, message))`,
    )
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^MEMORY_LIMIT This model needs at least 3\d\d\.\d MB, and this container has/,
    )
  })

  it('a second embedder of the same file shares its weights, and goals may be measured', async () => {
    const { code, stdout } = await inside(
      700 * MB,
      `const one = await Embedder.load(options)
       const two = await Embedder.load({ ...options, optimizeFor: { latencyMs: 60_000 } })
       console.log(two.info.plan.goals.latencyMs.met, (await two.embed('a')).dense.length)
       await one.dispose()
       await two.dispose()`,
    )
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'true 1024\n' })
  })

  it('what the user says counts', async () => {
    const { stdout } = await inside(
      700 * MB,
      `const m3 = await Embedder.load({ ...options, memoryLimit: '1GB' })
       console.log(m3.stats().memory.limit)
       await m3.dispose()`,
    )
    expect(stdout).toBe('1000000000\n')
  })
})
