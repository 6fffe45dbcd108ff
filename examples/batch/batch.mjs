// A corpus with bad texts in it: progress, a deadline, and errors collected instead of thrown.
//   BGE_M3_MODEL=... node examples/batch/batch.mjs [texts.txt]
import fs from 'node:fs'
import { Embedder, EmbedderError } from 'bge-m3-node'

const [, , file] = process.argv
const texts = file ? fs.readFileSync(file, 'utf8').split('\n') : sample()

const m3 = await Embedder.load()
const results = await m3.embed(texts, {
  onError: 'collect', // a bad text is an error in its place; the others are computed
  timeout: '10min',
  onProgress({ done, total, rate, eta }) {
    if (done === total || done % 10 === 0)
      console.error(
        `${done}/${total}, ${rate.toFixed(1)} texts/s, ${eta?.toFixed(0) ?? '?'} s left`,
      )
  },
})

const failed = results.filter((result) => result instanceof EmbedderError)
console.log(`${results.length - failed.length} embedded, ${failed.length} failed`)
for (const error of failed) console.log(`  #${error.index} ${error.code}: ${error.message}`)

const { texts: count, tokens, batches } = m3.stats()
console.log(`${count} texts, ${tokens} tokens in ${batches} batches`)
await m3.dispose()

function sample() {
  const texts = Array.from({ length: 40 }, (_, i) => `Paragraph ${i} of a corpus that is made up.`)
  texts[7] = 'broken \ud800 surrogate' // not Unicode
  texts[19] = 'word '.repeat(9000) // over 8192 tokens; truncate: 'end' would cut it
  return texts
}
