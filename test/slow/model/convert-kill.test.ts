/** Kills a converting process at random moments: the output is whole or not there. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { convertCheckpoint } from '../../../lib/model/convert/convert.js'
import { GgufFile } from '../../../lib/model/formats/gguf/reader.js'
import { createStandin } from '../../../lib/model/standin/create.js'
import { root } from '../../helpers/child.js'
import { writeCheckpoint } from '../../model/writers/checkpoint.js'

let directory: string
let checkpoint: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'convert-kill-'))
  checkpoint = join(directory, 'checkpoint')
  const standin = join(directory, 'f32.gguf')
  await createStandin({ output: standin, size: 'tiny', type: 'f32' })
  await writeCheckpoint(standin, checkpoint)
})
afterAll(() => rm(directory, { recursive: true }))

/** A process that converts, announcing when it has begun to write and when it is done. */
function converter(output: string): ChildProcess {
  const source = `
    import { convertCheckpoint } from ${JSON.stringify(join(root, 'dist/model.js'))}
    let begun = false
    await convertCheckpoint(${JSON.stringify(checkpoint)}, {
      output: ${JSON.stringify(output)},
      onProgress: () => { if (!begun) { begun = true; console.log('BEGUN') } },
    })
    console.log('DONE')`
  return spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

it('leaves nothing half-written in place', async () => {
  const output = join(directory, 'out.gguf')
  const whole = (await convertCheckpoint(checkpoint, { output: join(directory, 'whole.gguf') }))
    .sizeBytes
  let killed = 0
  for (const delay of [0, 5, 15, 40, 90, 160]) {
    await rm(output, { force: true })
    const child = converter(output)
    const exited = new Promise((resolve) => child.once('exit', resolve))
    let printed = ''
    child.stdout?.on('data', (text) => {
      printed += text
      if (printed.includes('BEGUN')) setTimeout(() => child.kill('SIGKILL'), delay)
    })
    await exited
    expect(printed).toContain('BEGUN')
    const size = await stat(output).then(
      (info) => info.size,
      () => undefined,
    )
    if (!printed.includes('DONE')) killed++
    if (size !== undefined) {
      expect(size).toBe(whole)
      const file = await GgufFile.open(output)
      expect(file.tensors.size).toBe(37)
      await file.close()
    }
  }
  expect(killed).toBeGreaterThan(0)
  // A later run clears up after the dead ones.
  const left = async () => (await readdir(directory)).filter((name) => name.includes('.tmp-'))
  expect(await left()).not.toEqual([])
  await convertCheckpoint(checkpoint, { output })
  expect(await left()).toEqual([])
})
