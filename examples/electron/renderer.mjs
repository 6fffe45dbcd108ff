// The window: texts in, similarities out. Knows nothing of models or processes.
const element = (id) => document.getElementById(id)
const { embedder } = window
let job = 0

embedder.onProgress((_, { stage, done, total }) => {
  element('progress').max = total ?? 1
  element('progress').value = done
  element('status').textContent = stage === 'download' ? 'Downloading the model …' : 'Embedding …'
})

/** @returns the answer's value, or undefined after showing its error */
async function run(call) {
  job += 1
  element('run').disabled = true
  element('cancel').disabled = false
  const { value, error } = await call(job)
  element('run').disabled = false
  element('cancel').disabled = true
  if (error) element('status').textContent = `${error.code}: ${error.message}`
  return value
}

element('cancel').addEventListener('click', () => embedder.cancel(job))
element('run').addEventListener('click', async () => {
  const texts = element('texts').value.split('\n').filter(Boolean)
  const vectors = await run((id) => embedder.embed(id, [element('query').value, ...texts]))
  if (!vectors) return
  const [query, ...others] = vectors
  const hits = others
    .map((vector, i) => ({
      text: texts[i],
      // both have length 1
      score: vector.reduce((sum, x, k) => sum + x * query[k], 0),
    }))
    .sort((a, b) => b.score - a.score)
  const lines = hits.map(({ text, score }) => {
    const line = document.createElement('li')
    line.textContent = `${score.toFixed(3)}  ${text}`
    return line
  })
  element('hits').replaceChildren(...lines)
  element('status').textContent = `${texts.length} texts compared.`
})

const info = await run((id) => embedder.load(id))
if (info) {
  const note = info.standin ? ' A stand-in: similarities mean nothing.' : ''
  element('status').textContent =
    `Ready: ${info.dimensions} dimensions, ${info.threads} threads.${note}`
}
