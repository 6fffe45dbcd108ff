/** A stand-in's vectors look like any other's: loading one says once what they are. */
import { expect, it } from 'vitest'
import { Embedder } from '../../../lib/index.js'
import { importPackage, runModule } from '../../helpers/child.js'
import { standinPath } from '../../helpers/standins.js'

const model = await standinPath({ size: 'tiny' })
const line = `${model} is a stand-in with random weights: its embeddings mean nothing.`

it('tells a logger once, however often it is loaded', async () => {
  const warnings: string[] = []
  const logger = { warn: (message: string) => warnings.push(message) }
  for (let i = 0; i < 2; i++) {
    const m3 = await Embedder.load({ model, logger })
    expect(m3.info).toMatchObject({ standin: true, warnings: [] })
    await m3.unload()
    await m3.embed('text')
    await m3.dispose()
  }
  expect(warnings).toEqual([line])
})

it.each([
  ['', 1],
  ['--disable-warning=BGE_M3_STANDIN', 0],
])('tells stderr where there is no logger: NODE_OPTIONS=%s', async (options, times) => {
  const load = `await (await Embedder.load({ model: ${JSON.stringify(model)} })).dispose();`
  const env = { ...process.env, NODE_OPTIONS: options }
  const { code, stderr } = await runModule(`${importPackage}${load}${load}`, { env })
  expect(code).toBe(0)
  expect(stderr.split(line).length - 1).toBe(times)
})
