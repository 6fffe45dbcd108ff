/**
 * `embed --resume`: goes on after what a run that was cut off has left.
 *
 * No record beside the output says what made it. Every whole item must be of the text that has its place
 * in the input, and of a few texts the embeddings are made again and must be there, byte for byte: the
 * first, the last, the longest, the first that failed and the first that lost its end, and every 4^n-th.
 * Another model, other outputs or another number format show in each of them; other limits show in the
 * longest, the failed and the cut ones.
 */

import { InvalidInputError } from '../../../common/errors.js'
import { type InputItem, isText } from '../../../integrations/files/items.js'
import { WrittenJsonl } from '../../../integrations/files/jsonl-resume.js'
import { WrittenNpy } from '../../../integrations/files/npy-resume.js'
import type { WrittenItem, WrittenItems } from '../../../integrations/files/resume.js'
import { npyTypeOf, type OutputOptions, outputBytes, type Result } from './output.js'

/** What there is already, and what is left to do. */
export interface Resumed {
  /** Items that are in the output. */
  texts: number
  /** Those of them that failed. */
  failures: number
  /** Bytes of the output up to the end of the last of them. */
  end: number
  /** The input after them. */
  items: AsyncIterable<InputItem[]>
}

type EmbedItems = (items: readonly InputItem[]) => Promise<{ item: InputItem; result: Result }[]>

/** @throws InvalidInputError when the output is of another input, model or options */
export async function resumeOutput(
  options: OutputOptions,
  items: AsyncIterable<InputItem[]>,
  embedItems: EmbedItems,
): Promise<Resumed> {
  const input = new ItemReader(items)
  const writtenItems = await openWrittenOutput(options)
  if (writtenItems === undefined) return { texts: 0, failures: 0, end: 0, items: input.rest() }
  try {
    const samples = new Samples()
    let end = 0
    let failures = 0
    for (;;) {
      const item = await input.next()
      // what is more than the input has is of another one
      const written = await writtenItems.next(item?.id ?? '')
      if (written === undefined) {
        if (item) input.unread(item)
        break
      }
      if (item === undefined) throw foreign(options, 'it has more than the input')
      samples.add(item, written)
      end = written.end
      if (written.failed) failures++
    }
    await checkSamples(samples, writtenItems, options, embedItems)
    return { texts: samples.count, failures, end, items: input.rest() }
  } finally {
    await writtenItems.close()
  }
}

function openWrittenOutput(options: OutputOptions): Promise<WrittenItems | undefined> {
  const { format, width } = options
  const file = options.file as string
  if (format === 'jsonl') return WrittenJsonl.open(file)
  return WrittenNpy.open(file, width, npyTypeOf(options))
}

function foreign({ file }: OutputOptions, why: string): InvalidInputError {
  return new InvalidInputError(`${file} cannot be resumed: ${why}.`)
}

interface Sample {
  item: InputItem
  written: WrittenItem
}

class Samples {
  count = 0
  readonly #kept: Sample[] = []
  #last: Sample | undefined
  #longest: (Sample & { length: number }) | undefined
  #hasFailed = false
  #hasTruncated = false

  add(item: InputItem, written: WrittenItem): void {
    const sample = { item, written }
    this.count++
    // 1, 4, 16...
    const isStation = Number.isInteger(Math.log2(this.count) / 2)
    const isFirstFailed = written.failed && !this.#hasFailed && isText(item)
    const isFirstTruncated = written.truncated && !this.#hasTruncated
    if (isStation || isFirstFailed || isFirstTruncated) this.#kept.push(sample)
    this.#hasFailed ||= isFirstFailed
    this.#hasTruncated ||= isFirstTruncated
    const length = written.tokenCount ?? (isText(item) ? item.text.length : 0)
    if (!written.failed && length > (this.#longest?.length ?? -1)) {
      this.#longest = { ...sample, length }
    }
    this.#last = sample
  }

  /** In input order, none twice. */
  all(): Sample[] {
    const all = [...this.#kept, this.#longest, this.#last].filter((sample) => sample !== undefined)
    const byIndex = new Map(all.map((sample) => [sample.item.index, sample]))
    return [...byIndex.values()].sort((a, b) => a.item.index - b.item.index)
  }
}

async function checkSamples(
  samples: Samples,
  writtenItems: WrittenItems,
  options: OutputOptions,
  embedItems: EmbedItems,
): Promise<void> {
  for (const { item, written } of samples.all()) {
    // one by one: multi-vectors of long texts are large
    const [made] = await embedItems([item])
    const expected = outputBytes(options, item, made?.result as Result)
    const found = await writtenItems.read(written)
    if (expected.equals(found)) continue
    throw foreign(
      options,
      `the text at index ${item.index} has another result now than the one that is there. ` +
        'The text, the model, the options or the kind of processor (BGE_M3_ISA) differ',
    )
  }
}

/** The input item by item, and then again in groups. */
class ItemReader {
  readonly #groups: AsyncIterator<InputItem[]>
  #group: InputItem[] = []
  #at = 0

  constructor(items: AsyncIterable<InputItem[]>) {
    this.#groups = items[Symbol.asyncIterator]()
  }

  async next(): Promise<InputItem | undefined> {
    while (this.#at >= this.#group.length) {
      const next = await this.#groups.next()
      if (next.done) return undefined
      this.#group = next.value
      this.#at = 0
    }
    return this.#group[this.#at++]
  }

  /** Gives back the item that came last. */
  unread(item: InputItem): void {
    this.#group = [item, ...this.#group.slice(this.#at)]
    this.#at = 0
  }

  async *rest(): AsyncGenerator<InputItem[]> {
    try {
      if (this.#at < this.#group.length) yield this.#group.slice(this.#at)
      for (;;) {
        const next = await this.#groups.next()
        if (next.done) return
        yield next.value
      }
    } finally {
      await this.#groups.return?.()
    }
  }
}
