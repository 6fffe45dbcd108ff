/** `bge-m3 evaluate --golden`: save what texts give, or compare with what they gave. */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { writeFileAtomic } from '../../../common/atomic-file.js'
import { EmbedderError, InvalidInputError } from '../../../common/errors.js'
import type { EmbedOptions, Outputs } from '../../../common/types.js'
import { decodeUtf8 } from '../../../common/utf8.js'
import type { Embedder } from '../../../embedder/embedder.js'
import { type InputItem, isText } from '../../../integrations/files/items.js'
import type { OptionValues } from '../../../options/table.js'
import {
  compareGolden,
  encodeGolden,
  GOLDEN_TOLERANCE,
  type GoldenItem,
  type GoldenSet,
  parseGolden,
} from '../../../quality/golden.js'
import { EXIT, UsageError } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import { present } from '../shared/present.js'
import { progressBar } from '../shared/progress-bar.js'
import { Sink } from '../shared/sink.js'
import { withEmbedder } from '../shared/watch.js'
import type { EvaluateFlags } from './context.js'
import { goldenTable } from './output.js'

const BLOCK = 64

export async function runGolden(
  io: CliIo,
  flags: EvaluateFlags,
  values: OptionValues,
): Promise<number> {
  const file = flags.golden as string
  if (flags.input === undefined) throw new UsageError('--golden needs --input, the texts.')
  const tolerance = toleranceOf(flags)
  const golden = flags.save ? undefined : parseGolden(await readText(file))
  const items = await readTexts(io, flags.input)
  const watching = { command: 'evaluate', flags: { ...flags }, values }
  return withEmbedder(io, watching, async (embedder) => {
    const outputs = golden ? outputsIn(golden, embedder) : outputsToSave(embedder, flags)
    const { maxTokens, truncate } = values
    const options = { ...present({ maxTokens, truncate }), outputs, signal: io.signal }
    const current = await embedAll(io, embedder, items, options)
    if (golden === undefined) {
      if (current.length < items.length) return EXIT.failed
      return await save(io, embedder, file, current, tolerance, flags)
    }
    const { fingerprint } = embedder.info
    const comparison = compareGolden(golden, { fingerprint, items: current }, { tolerance })
    await Sink.stdout(io).write(
      flags.json ? `${JSON.stringify({ golden: comparison })}\n` : goldenTable(comparison),
    )
    return comparison.passed ? EXIT.done : EXIT.failed
  })
}

async function save(
  io: CliIo,
  embedder: Embedder,
  file: string,
  items: GoldenItem[],
  tolerance: number | undefined,
  { json }: EvaluateFlags,
): Promise<number> {
  const { name, fingerprint } = embedder.info
  const set: GoldenSet = {
    createdAt: new Date().toISOString(),
    model: { name, fingerprint },
    tolerance: tolerance ?? GOLDEN_TOLERANCE,
    items,
  }
  await writeFileAtomic(file, encodeGolden(set))
  if (json) {
    await Sink.stdout(io).write(`${JSON.stringify({ saved: { file, items: items.length } })}\n`)
  } else say(io, `saved the embeddings of ${items.length} texts to ${file}.`)
  return EXIT.done
}

interface TextWithId {
  id: string
  text: string
}

/** @throws InvalidInputError for lines that cannot be read, ids that come twice, or no texts */
async function readTexts(io: CliIo, file: string): Promise<TextWithId[]> {
  const { openInput } = await import('../../../integrations/files/source.js')
  const input = await openInput({ file, stdin: io.stdin, signal: io.signal })
  const texts: TextWithId[] = []
  const ids = new Set<string>()
  const add = (item: InputItem) => {
    if (!isText(item)) throw item.error
    const id = String(item.id)
    if (ids.has(id))
      throw new InvalidInputError(`Text ${item.index + 1} has an id that came before.`)
    ids.add(id)
    texts.push({ id, text: item.text })
  }
  try {
    for await (const group of input.items) group.forEach(add)
  } finally {
    await input.close()
  }
  if (texts.length === 0) throw new InvalidInputError('There are no texts in the input.')
  return texts
}

/** A text that fails is missing; a set that lacks one is not saved. */
async function embedAll(
  io: CliIo,
  embedder: Embedder,
  texts: readonly TextWithId[],
  options: EmbedOptions & { outputs: Outputs },
): Promise<GoldenItem[]> {
  const items: GoldenItem[] = []
  const bar = progressBar(io, { label: 'texts', total: texts.length })
  try {
    for (let at = 0; at < texts.length; at += BLOCK) {
      const block = texts.slice(at, at + BLOCK)
      const results = await embedder.embed(
        block.map(({ text }) => text),
        { ...options, precision: 'float32', cache: false, onError: 'collect' },
      )
      results.forEach((result, i) => {
        const { id, text } = block[i] as TextWithId
        if (result instanceof EmbedderError) {
          say(io, `the text ${JSON.stringify(id)} failed: ${result.code}`)
          return
        }
        const { dense, sparse, colbert } = result
        const sha256 = createHash('sha256').update(text).digest('hex')
        items.push({ id, sha256, dense, sparse, colbert })
      })
      bar.update(at + block.length)
    }
  } finally {
    bar.stop()
  }
  return items
}

/** What the set holds and the model has; what only the set has, fails. */
function outputsIn({ items }: GoldenSet, { info }: Embedder): Required<Outputs> {
  const has = (output: 'dense' | 'sparse' | 'colbert') =>
    info.outputs[output] && items.some((item) => item[output] !== undefined)
  return { dense: has('dense'), sparse: has('sparse'), colbert: has('colbert') }
}

function outputsToSave({ info }: Embedder, { colbert }: EvaluateFlags): Required<Outputs> {
  const { dense, sparse, colbert: hasColbert } = info.outputs
  return { dense, sparse, colbert: hasColbert && colbert === true }
}

/** @throws UsageError */
function toleranceOf({ tolerance }: EvaluateFlags): number | undefined {
  if (tolerance === undefined) return undefined
  const value = Number(tolerance)
  if (tolerance.trim() === '' || !(value >= 0 && value <= 2)) {
    throw new UsageError('--tolerance must be a number from 0 to 2.')
  }
  return value
}

async function readText(file: string): Promise<string> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new InvalidInputError(`Cannot read the golden set ${file} (${error.code}).`)
  })
  return decodeUtf8(bytes, `The golden set ${file}`)
}
