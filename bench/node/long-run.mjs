// A long job from start to end: distinct chunks of 500 tokens, made of XQuAD paragraphs joined in
// shuffled order, cache off; then one text of 8,192 tokens in a process of its own.
//   node bench/node/long-run.mjs [--model FILE] [--chunks 1000] [--tokens 500] [--longest 8192] [--json F]
import { fork } from 'node:child_process'
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Embedder } from 'bge-m3-node'
import { machine } from '../race/machine.mjs'
import { benchModel } from '../race/model.mjs'
import { chunkOfTokens, loadParagraphs, shuffled } from './texts.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    chunks: { type: 'string', default: '1000' },
    tokens: { type: 'string', default: '500' },
    longest: { type: 'string', default: '8192' },
    json: { type: 'string' },
    // what a child process runs
    part: { type: 'string' },
  },
})
const model = benchModel(options.model)

if (options.part) {
  process.send(await parts()[options.part]())
  process.disconnect()
} else {
  const result = {
    date: new Date().toISOString(),
    machine: machine(),
    job: await inChild('job'),
    longest: await inChild('longest'),
  }
  const { job, longest } = result
  console.log(
    `${job.chunks} chunks of ${job.tokens / job.chunks} tokens: ${job.seconds.toFixed(0)} s, ` +
      `${(job.tokens / job.seconds).toFixed(0)} tok/s, peak RSS ${(job.peak / 1e6).toFixed(0)} MB`,
  )
  console.log(
    `one text of ${longest.tokens} tokens: ${longest.seconds.toFixed(1)} s, peak RSS ${(longest.peak / 1e6).toFixed(0)} MB`,
  )
  if (options.json) fs.writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`)
}

function parts() {
  return {
    async job() {
      const count = Number(options.chunks)
      return withEmbedder(async (m3) => {
        const paragraphs = []
        // enough for all chunks: the same paragraphs in another order are other chunks
        for (let seed = 1; paragraphs.length < count * 10; seed++) {
          paragraphs.push(...shuffled(loadParagraphs(), seed))
        }
        // a paragraph that fills a chunk alone may begin two of them
        const some = await chunkOfTokens(
          m3,
          paragraphs,
          Number(options.tokens),
          Math.ceil(count * 1.3),
        )
        const texts = [...new Set(some)].slice(0, count)
        if (texts.length !== count) throw new Error('too many chunks are the same')
        let said = 0
        return () =>
          m3.embed(texts, {
            onProgress({ done, total, rate }) {
              if (done < said + total / 20) return
              said = done
              process.stderr.write(`${done} of ${total}, ${Math.round(rate)} texts/s so far\n`)
            },
          })
      })
    },
    longest: () =>
      withEmbedder(async (m3) => {
        const texts = await chunkOfTokens(m3, loadParagraphs(), Number(options.longest), 1)
        return () => m3.embed(texts)
      }),
  }
}

/** @param prepare gets the embedder and returns what to time */
async function withEmbedder(prepare) {
  const m3 = await Embedder.load({ model, cache: false })
  const run = await prepare(m3)
  const from = performance.now()
  const results = await run()
  const seconds = (performance.now() - from) / 1000
  const tokens = results.reduce((sum, { tokenCount }) => sum + tokenCount, 0)
  await m3.dispose()
  const status = fs.readFileSync('/proc/self/status', 'utf8')
  const peak = 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1])
  return { chunks: results.length, tokens, seconds, peak }
}

function inChild(part) {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--part', part])
    child.once('message', resolve)
    child.once('exit', (code, signal) => reject(new Error(`${part} ended: ${signal ?? code}`)))
  })
}
