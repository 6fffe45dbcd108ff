/** Files whose bytes are not what a writer wrote. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ModelLoadError } from '../../../../lib/common/errors.js'
import { GgufFile } from '../../../../lib/model/formats/gguf/reader.js'
import { writeGguf } from '../../../../lib/model/formats/gguf/writer.js'
import { inTemporaryDirectory, SAMPLE_ENTRIES, sampleTensors } from './files.js'

export async function sample(directory: string): Promise<Buffer> {
  const path = join(directory, 'sample.gguf')
  await writeGguf(path, SAMPLE_ENTRIES, sampleTensors())
  return readFile(path)
}

/** Opens `bytes` as a file and reads all that its header promises. */
async function readAll(directory: string, bytes: Uint8Array): Promise<void> {
  const path = join(directory, 'hostile.gguf')
  await writeFile(path, bytes)
  const file = await GgufFile.open(path)
  try {
    for (const key of file.keys.keys()) {
      await file.strings(key)
      await file.numbers(key)
    }
    for (const name of file.tensors.keys()) await file.tensor(name)
  } finally {
    await file.close()
  }
}

export async function refusal(directory: string, bytes: Uint8Array): Promise<string> {
  const error: unknown = await readAll(directory, bytes).then(
    () => undefined,
    (reason) => reason,
  )
  expect(error).toBeInstanceOf(ModelLoadError)
  return (error as Error).message
}

/** Cut at every `step`th byte, and changed at random: read or refused, nothing else. */
export function damagedFiles({ step, changes }: { step: number; changes: number }): void {
  describe('damaged files', { timeout: 600_000 + changes * 30 }, () => {
    it('is truncated anywhere: refused', () =>
      inTemporaryDirectory(async (directory) => {
        const bytes = await sample(directory)
        // The last bytes are padding after the last tensor.
        for (let length = 0; length < bytes.length - 32; length += step) {
          await refusal(directory, bytes.subarray(0, length))
        }
      }))

    it('has random bytes changed: read or refused, nothing else', () =>
      inTemporaryDirectory(async (directory) => {
        const bytes = await sample(directory)
        const header = bytes.indexOf('c.bias') + 32
        const change = fc.tuple(
          fc.nat(header),
          fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 127, 128, 255)),
        )
        const started = process.memoryUsage().arrayBuffers
        await fc.assert(
          fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (some) => {
            const copy = Buffer.from(bytes)
            for (const [at, value] of some) copy[at] = value
            try {
              await readAll(directory, copy)
            } catch (error) {
              expect(error).toBeInstanceOf(ModelLoadError)
            }
          }),
          { numRuns: changes },
        )
        expect(process.memoryUsage().arrayBuffers - started).toBeLessThan(64 << 20)
      }))
  })
}
