import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type InputItem, isText } from '../../../lib/integrations/files/items.js'
import { type InputSource, openInput } from '../../../lib/integrations/files/source.js'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'bge-m3-input-'))
})
afterAll(() => rm(directory, { recursive: true }))

const unused = () => Readable.from([])

async function textsOf(source: InputSource): Promise<string[]> {
  const input = await openInput(source)
  const items: InputItem[] = []
  for await (const group of input.items) items.push(...group)
  await input.close()
  return items.map((item) => (isText(item) ? item.text : item.error.message))
}

async function file(name: string, content: string): Promise<string> {
  const target = path.join(directory, name)
  await writeFile(target, content)
  return target
}

describe('openInput', () => {
  it('takes arguments before anything else, and does not touch stdin', async () => {
    const stdin = new PassThrough()
    expect(await textsOf({ texts: ['a', 'b'], stdin })).toEqual(['a', 'b'])
    expect(stdin.destroyed).toBe(false)
  })

  it('reads stdin for -, and for nothing', async () => {
    for (const file of ['-', undefined]) {
      expect(await textsOf({ file, stdin: Readable.from([Buffer.from('a\nb\n')]) })).toEqual([
        'a',
        'b',
      ])
    }
  })

  it('reads a file in the format of its name, or the one that is told', async () => {
    const object = '{"text":"a"}\n'
    const stdin = unused()
    expect(await textsOf({ file: await file('a.txt', object), stdin })).toEqual([object.trim()])
    expect(await textsOf({ file: await file('a.jsonl', object), stdin })).toEqual(['a'])
    expect(await textsOf({ file: await file('a.data', object), stdin })).toEqual(['a'])
    const named = await file('b.txt', object)
    expect(await textsOf({ file: named, format: 'jsonl', stdin })).toEqual(['a'])
    expect(await textsOf({ file: named, format: 'auto', stdin })).toEqual([object.trim()])
  })

  it('knows the size of a file', async () => {
    const input = await openInput({ file: await file('s.txt', 'four'), stdin: unused() })
    expect(input.size).toEqual({ bytes: 4 })
    await input.close()
  })

  it('says what is wrong with a file', async () => {
    const stdin = unused()
    const missing = path.join(directory, 'missing.txt')
    await expect(openInput({ file: missing, stdin })).rejects.toThrow(/There is no file .*missing/)
    await expect(openInput({ file: directory, stdin })).rejects.toThrow('is a directory')
    await expect(openInput({ file: `${directory}\0`, stdin })).rejects.toThrow('Cannot open')
  })

  it('ends with an error when the signal aborts while a pipe is silent', async () => {
    const controller = new AbortController()
    const stdin = new PassThrough()
    const input = await openInput({ stdin, signal: controller.signal })
    const reading = (async () => {
      for await (const _ of input.items) {
        // nothing comes
      }
    })()
    setTimeout(() => controller.abort(), 20)
    await expect(reading).rejects.toThrow('abort')
    expect(stdin.destroyed).toBe(true)
  })

  it('passes on what goes wrong while reading', async () => {
    const stdin = new PassThrough()
    const input = await openInput({ stdin })
    stdin.destroy(new Error('the disk is gone'))
    await expect(async () => {
      for await (const _ of input.items) {
        // nothing comes
      }
    }).rejects.toThrow('the disk is gone')
  })
})
