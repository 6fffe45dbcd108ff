/** Every entry of package.json's `exports`, required and imported by plain Node, and one thing of each used. */
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { root, run } from '../helpers/child.js'

/** What gives `true`, with `m` for the module. */
const USES: Record<string, string> = {
  '.': 'm.cosine([1, 0], [1, 0]) === 1 && new m.InvalidInputError("x") instanceof m.EmbedderError',
  './ai-sdk': 'm.embeddingModel({ info: { name: "x" }, embed() {} }).modelId === "x"',
  './cache': '(await m.openCache()).get("m", "a text") === undefined',
  './chroma':
    'new m.BgeM3EmbeddingFunction().name === "bge-m3-node" && m.BgeM3SparseEmbeddingFunction.name === "bge-m3-node-sparse"',
  './langchain': 'typeof new m.BgeM3Embeddings({ embed() {} }).embedQuery === "function"',
  './llamaindex': 'typeof m.llamaIndexEmbedding === "function"',
  './model': 'm.CONVERT_TYPES.includes("q8_0") && typeof m.cacheDir() === "string"',
  './postgres': `m.quoteIdentifier('a"b') === '"a""b"'`,
  './qdrant': '/^[0-9a-f-]{36}$/.test(m.pointId("a"))',
  './quality': 'm.pearson([1, 2, 3], [2, 4, 6]) > 0.999',
  './queue': 'm.isDone({ corpora: 1, producing: false, items: { left: 0 }, jobs: { active: 0 } })',
  './report': 'm.tableOf([{ id: "a", embedding: { dense: Float32Array.of(1, 0) } }]) !== undefined',
  './scoring': 'm.lexicalScore(m.sparseFromWeights({ 1: 2 }), m.sparseFromWeights({ 1: 3 })) === 6',
  './search':
    'await m.openIndex("/nowhere", { create: false }).catch((error) => error.code === "INVALID_INPUT")',
  './worker': 'await m.connectEmbedder(5).catch((error) => error.code === "INVALID_INPUT")',
  './server': 'Object.keys(m.SERVER_OPTIONS).length > 0',
}

const { exports } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
const entries = Object.keys(exports).filter((name) => name !== './package.json')
const LOADS = {
  import: 'await import(name)',
  require: 'createRequire(process.cwd() + "/x.cjs")(name)',
}

describe('an entry', () => {
  it('has a use here', () => {
    expect(Object.keys(USES).sort()).toEqual(entries.sort())
  })

  it.each(Object.entries(LOADS))('works by %s', async (_, load) => {
    const source = `import { createRequire } from 'node:module'
      const answers = {}
      for (const [entry, use] of Object.entries(${JSON.stringify(USES)})) {
        const name = 'bge-m3-node' + entry.slice(1)
        try {
          const m = ${load}
          answers[entry] = await eval('(async () => ' + use + ')()')
        } catch (error) {
          answers[entry] = String(error)
        }
      }
      console.log(JSON.stringify(answers))`
    const end = await run(process.execPath, ['--input-type=module', '-e', source])
    expect(end.stderr).toBe('')
    expect(JSON.parse(end.stdout)).toEqual(
      Object.fromEntries(Object.keys(USES).map((name) => [name, true])),
    )
  })
})
