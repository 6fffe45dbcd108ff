import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import { isRunnable, NAMED_MODELS, namedModel } from '../../lib/model/names.js'
import { folderOf, type HubReference, parseReference } from '../../lib/model/reference.js'

const parse = (text: string | URL) => parseReference(text, 'the `model` option')

describe('parseReference', () => {
  it.each([
    ['bge-m3', 'BAAI/bge-m3', 'bge-m3'],
    ['BAAI/bge-m3', 'BAAI/bge-m3', 'bge-m3'],
    ['hf:BAAI/bge-m3', 'BAAI/bge-m3', 'bge-m3'],
    ['ALL-minilm-l6-V2', 'sentence-transformers/all-MiniLM-L6-v2', 'all-MiniLM-L6-v2'],
    ['bge-m3:F16', 'BAAI/bge-m3', 'bge-m3+f16'],
    ['hf:BAAI/bge-m3:f16', 'BAAI/bge-m3', 'bge-m3+f16'],
    ['hf:o/r', 'o/r', 'o--r'],
    ['hf:o/r:Q4_K_M', 'o/r', 'o--r+q4_k_m'],
    ['hf:o/r@v1.2', 'o/r', 'o--r@v1.2'],
    ['hf:o/r/deep/x.gguf', 'o/r', 'o--r--deep--x.gguf'],
    ['hf:BAAI/bge-m3@abc:f16', 'BAAI/bge-m3', 'BAAI--bge-m3@abc+f16'],
  ])('%s is a model of the hub', (text, repository, folder) => {
    const reference = parse(text) as HubReference
    expect(reference).toMatchObject({ kind: 'hub', repository })
    expect(folderOf(reference)).toBe(folder)
  })

  it('has a folder for each way to name a model', () => {
    const names = NAMED_MODELS.map(({ name }) => name)
    const texts = [
      ...names,
      ...names.map((name) => `${name}:f16`),
      ...names.map((name) => `hf:${namedModel(name)?.repository}@abc`),
      ...['hf:o/r', 'hf:o/r:f16', 'hf:o/r/f16.gguf', 'hf:o/r@f16', 'hf:o/r@f16/f16.gguf'],
    ]
    const folders = texts.map((text) => folderOf(parse(text) as HubReference).toLowerCase())
    expect(new Set(folders).size).toBe(texts.length)
    for (const folder of folders) expect(folder).toMatch(/^[\w.@+-]+$/)
  })

  it.each([
    './bge-m3',
    '../bge-m3',
    '/models/bge-m3',
    '~/bge-m3',
    '.',
    'bge-m3.gguf',
    'BAAI/bge-m3/x.gguf',
    'models\\bge-m3',
    'C:/bge-m3',
    'c:\\bge-m3',
    'models/mine',
    'owner/repository',
    'bge-m4',
    'mine:f16',
  ])('%s is a path', (path) => {
    expect(parse(path)).toEqual({ kind: 'path', path })
  })

  it('takes a URL of a file, as text or as an object', () => {
    const path = { kind: 'path', path: '/models/bge-m3' }
    expect(parse(new URL('file:///models/bge-m3'))).toEqual(path)
    expect(parse('file:///models/bge-m3')).toEqual(path)
    expect(() => parse(new URL('https://huggingface.co/BAAI/bge-m3'))).toThrow(InvalidInputError)
  })

  it.each([
    'hf:',
    'hf:bge-m3',
    'hf:o/r/../../x.gguf',
    'hf:o/../r',
    'hf:o/r//x.gguf',
    'hf:o/r/./x.gguf',
    'hf:o/r/x.bin',
    'hf:o/r@',
    'hf:o/r:',
    'hf:o/r/x.gguf:f16',
    'hf:o/r\\x.gguf',
    'hf:o/r x',
    '',
    'a\0b',
  ])('refuses %j', (text) => {
    expect(() => parse(text)).toThrow(InvalidInputError)
  })
})

describe('the table of names', () => {
  it('has each model once, by name and repository', () => {
    for (const model of NAMED_MODELS) {
      expect(namedModel(model.name)).toBe(model)
      expect(namedModel(model.repository)).toBe(model)
      expect(parse(model.name)).toMatchObject({ kind: 'hub', known: model })
      expect(model.pooling === 'rank' ? 1 : model.dimensions).toBeGreaterThanOrEqual(1)
    }
    expect(NAMED_MODELS.filter(isRunnable).map(({ name }) => name)).toContain('all-MiniLM-L6-v2')
  })
})
