import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { makeOnce } from '../../helpers/standins.js'
import { inTemporaryDirectory } from '../formats/gguf/files.js'

describe('making a file once', () => {
  it('lets one make it and the others wait', () =>
    inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'once')
      let made = 0
      const make = async () => {
        made++
        await sleep(100)
        await writeFile(path, 'whole')
      }
      await Promise.all([makeOnce(path, make), makeOnce(path, make), makeOnce(path, make)])
      await makeOnce(path, make)
      expect(made).toBe(1)
    }))

  it('goes on after a failure, and after a process that died', () =>
    inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'once')
      const fail = makeOnce(path, () => Promise.reject(new Error('disk full')))
      await expect(fail).rejects.toThrow('disk full')
      await writeFile(`${path}.lock`, String(2 ** 31 - 2)) // above the highest process id
      await makeOnce(path, () => writeFile(path, 'whole'))
    }))
})
