// Time and memory of a tokenizer without weights, each time in a process of its own.
//   node bench/node/tokenizer.mjs [--model FILE] [--rounds 5] [--json]
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { Tokenizer } from 'bge-m3-node'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    child: { type: 'boolean', default: false },
  },
})

if (options.child) {
  const before = process.memoryUsage.rss()
  const from = performance.now()
  const tokenizer = await Tokenizer.load(options.model)
  const loadMs = performance.now() - from
  const loadedBytes = process.memoryUsage.rss() - before
  const text = 'The Rhine flows through Basel before it turns north. '.repeat(200)
  const start = performance.now()
  const tokens = await tokenizer.countTokens(text)
  const countMs = performance.now() - start
  await tokenizer.dispose()
  console.log(JSON.stringify({ loadMs, loadedBytes, tokensPerSecond: (tokens / countMs) * 1000 }))
} else {
  const args = [
    import.meta.filename,
    '--child',
    ...(options.model ? ['--model', options.model] : []),
  ]
  const runs = Array.from({ length: Number(options.rounds) }, () =>
    JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })),
  )
  const median = (name) => runs.map((run) => run[name]).sort((a, b) => a - b)[runs.length >> 1]
  const result = Object.fromEntries(Object.keys(runs[0]).map((name) => [name, median(name)]))
  if (options.json) console.log(JSON.stringify(result))
  else
    console.log(
      `median of ${runs.length} processes: loaded in ${result.loadMs.toFixed(0)} ms, ` +
        `${(result.loadedBytes / 1e6).toFixed(0)} MB more, ${Math.round(result.tokensPerSecond)} tokens/s`,
    )
}
