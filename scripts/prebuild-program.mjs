// Run by scripts/try-prebuilds.mjs in the Node of a target: embeds the texts of a file with every output and
// writes what came out to a file, since emulators are not good at pipes.
//   node prebuild-program.mjs JOB.json     { entry, model, texts, output }
import fs from 'node:fs'
import { pathToFileURL } from 'node:url'

const job = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))
const write = (result) => fs.writeFileSync(job.output, JSON.stringify(result))
const base64 = ({ buffer, byteOffset, byteLength }) =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64')
try {
  const { Embedder } = await import(pathToFileURL(job.entry).href)
  const started = performance.now()
  const m3 = await Embedder.load({ model: job.model, cache: false })
  const loaded = performance.now()
  const outputs = { dense: true, sparse: true, colbert: true }
  const embeddings = await m3.embed(job.texts, { outputs, truncate: 'end' })
  write({
    runtime: process.versions.bun ? `Bun ${process.versions.bun}` : `Node ${process.version}`,
    platform: `${process.platform}-${process.arch}`,
    isa: m3.info.isa,
    loadMs: Math.round(loaded - started),
    embedMs: Math.round(performance.now() - loaded),
    embeddings: embeddings.map(({ dense, sparse, colbert }) => ({
      dense: base64(dense),
      sparseIndices: base64(sparse.indices),
      sparseValues: base64(sparse.values),
      colbert: base64(colbert.data),
    })),
  })
  await m3.dispose()
} catch (error) {
  write({ error: `${error.code ?? error.name}: ${error.message}` })
}
