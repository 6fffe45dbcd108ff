/** Several processes that want the same model at once, killed ones among them, and a disk that is full. */

import { execFileSync } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DownloadError } from '../../../lib/common/errors.js'
import type { FetchOptions } from '../../../lib/model/fetch/context.js'
import { has } from '../../helpers/needs.mjs'
import { useChild } from '../hub/children.js'
import { errorOf, expectBytes, HASTE, namesIn, noise } from '../hub/fixtures.js'
import { sha256, stallAfter } from '../hub/test-hub.js'
import { useCheckpoint, useEnsure } from './fixtures.js'

const { fixture, ensure } = useEnsure()
const checkpoint = useCheckpoint()
const child = useChild<{ model: string; options: FetchOptions }, string>(
  join(import.meta.dirname, 'ensure-child.ts'),
)

const start = (model: string, patience: FetchOptions['patience'] = {}) => {
  const { hub, dir } = fixture
  const options = { cacheDir: dir, endpoint: hub.endpoint, patience: { ...HASTE, ...patience } }
  return child({ model, options })
}

describe('processes that ask at once', () => {
  it('fetch and convert a checkpoint once', async () => {
    const { hub } = fixture
    hub.publish('o/r', checkpoint.files)
    const all = [start('hf:o/r'), start('hf:o/r'), start('hf:o/r')]
    const paths = (await Promise.all(all.map(({ ended }) => ended))).map(({ result }) => result)
    expect(new Set(paths).size).toBe(1)
    const urls = hub.seen.map(({ url }) => url)
    expect(new Set(urls).size).toBe(urls.length)
    const [path = ''] = paths
    const record = JSON.parse(await readFile(`${path}.json`, 'utf8'))
    expect(record.sha256).toBe(sha256(await readFile(path)))
    expect(await namesIn(join(fixture.dir, 'models'))).toEqual(['o--r'])
  })

  it('take over from one that was killed', async () => {
    const { hub } = fixture
    const content = noise(400_000)
    hub.publish('o/r', { 'm-q8_0.gguf': content })
    let sent = () => {}
    const half = new Promise<void>((resolve) => {
      sent = resolve
    })
    // and not another byte, however long the other takes to start
    hub.plan = [
      () => false,
      (...all) => {
        sent()
        return stallAfter(100_000)(...all)
      },
    ]
    const first = start('hf:o/r', { stallTimeout: 600_000 })
    await half
    const second = start('hf:o/r')
    await second.started
    first.process.kill('SIGKILL')
    expect((await first.ended).signal).toBe('SIGKILL')
    const { result = '' } = await second.ended
    await expectBytes(result, content)
    expect(await namesIn(dirname(result))).toEqual(['m-q8_0.gguf', 'm-q8_0.gguf.json'])
  })
})

describe.skipIf(!has('mount'))('a disk that is full', () => {
  it('is said, for a GGUF and for a checkpoint, and leaves nothing half', async () => {
    const { hub, dir } = fixture
    hub.publish('o/gguf', { 'm-q8_0.gguf': noise(3_000_000) })
    hub.publish('o/small', { 'm-q8_0.gguf': noise(10) })
    hub.publish('o/json', {
      ...checkpoint.files,
      'tokenizer.json': noise(2_000_000),
    })
    const small = join(dir, 'small')
    await mkdir(small)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small])
    try {
      const full = await errorOf(ensure('hf:o/gguf', { cacheDir: small }))
      expect(full).toBeInstanceOf(DownloadError)
      expect(full.message).toMatch(/Not enough disk space/)
      const git = await errorOf(ensure('hf:o/json', { cacheDir: small }))
      expect(git).toBeInstanceOf(DownloadError)
      expect(git.message).toMatch(/disk is full \(ENOSPC\)/)
      await expectBytes(await ensure('hf:o/small', { cacheDir: small }), noise(10))
    } finally {
      execFileSync('umount', [small])
    }
  })
})
