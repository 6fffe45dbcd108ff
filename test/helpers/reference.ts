/**
 * The float64 reference (native/test/reference) as a function: it reads the GGUF's tensors itself and
 * shares no arithmetic with the engine.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './child.js'
import { makeOnce } from './standins.js'

const TREE = join(root, '.build', 'tests')
const CLI = join(TREE, 'bin', process.platform === 'win32' ? 'reference_cli.exe' : 'reference_cli')

export interface ReferenceOutputs {
  /** Of length 1. */
  dense: Float64Array
  /** Token id to weight, ids ascending; empty without heads. */
  sparse: Map<number, number>
  /** One row of length 1 for every token but the first; empty without heads. */
  colbert: Float64Array[]
  /** The last hidden state of every token. */
  states: Float64Array[]
  /** Of a re-ranker; NaN for a model without a head. */
  score: number
}

/** Two files of little-endian float32, weight then bias. */
export interface ReferenceHeads {
  sparse: string
  colbert: string
}

/**
 * What the reference says of token ids (`<s>` and `</s>` included), text by text.
 *
 * @param firsts of pairs: the tokens before each one's second text
 */
export async function referenceOutputs(
  model: string,
  texts: readonly ArrayLike<number>[],
  { heads, firsts }: { heads?: ReferenceHeads; firsts?: readonly number[] } = {},
): Promise<ReferenceOutputs[]> {
  await buildReference()
  const directory = await mkdtemp(join(tmpdir(), 'bge-m3-reference-'))
  try {
    const raw = join(directory, 'outputs')
    const args = [model, '--raw', raw, '--states', '--threads', '2']
    if (heads) args.push('--heads', heads.sparse, heads.colbert)
    const lines = texts.map(
      (ids, i) => `${JSON.stringify({ ids: Array.from(ids), first: firsts?.[i] })}\n`,
    )
    await feed(CLI, args, lines.join(''))
    const bytes = await readFile(raw)
    const numbers = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8)
    return texts.map(reader(numbers))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Reads the records of `--raw` one after the other; the format is described in reference_cli.cpp. */
function reader(numbers: Float64Array): () => ReferenceOutputs {
  let at = 0
  const take = (count: number) => {
    if (at + count > numbers.length) throw new Error('The reference wrote too little.')
    at += count
    return numbers.slice(at - count, at)
  }
  const rows = (count: number, dim: number) => Array.from({ length: count }, () => take(dim))
  return () => {
    const [, dim = 0, entries = 0, colbertRows = 0, stateRows = 0, score = Number.NaN] = take(6)
    const dense = take(dim)
    const ids = take(entries)
    const weights = take(entries)
    const sparse = new Map(Array.from(ids, (id, i) => [id, weights[i] as number]))
    return {
      dense,
      sparse,
      colbert: rows(colbertRows, dim),
      states: rows(stateRows, dim),
      score,
    }
  }
}

/** `npm test` has built it with the C++ tests; a single file run by hand builds it here. */
async function buildReference(): Promise<void> {
  await makeOnce(CLI, async () => {
    if (existsSync(CLI)) return
    const cmake = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync('cmake', args, { cwd: root, encoding: 'utf8' })
      if (status !== 0) throw new Error(`cmake ${args.join(' ')} failed:\n${stdout}${stderr}`)
    }
    const generator =
      !existsSync(join(TREE, 'Makefile')) && spawnSync('ninja', ['--version']).status === 0
        ? ['-G', 'Ninja']
        : []
    cmake('-S', root, '-B', TREE, '-DBGE_ADDON=OFF', '-DBGE_TESTS=ON', ...generator)
    cmake('--build', TREE, '--target', 'reference_cli', '-j2')
  })
}

function feed(command: string, args: string[], input: string): Promise<void> {
  const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'pipe'] })
  return new Promise((resolve, reject) => {
    let message = ''
    child.stderr.on('data', (data) => {
      message += data
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve()
      else reject(new Error(`The reference ended with ${signal ?? code}: ${message}`))
    })
    child.stdin.on('error', () => {}) // it ended early: `close` says why
    child.stdin.end(input)
  })
}

/** Cosine in float64. */
export function cosine64(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} and ${b.length} dimensions`)
  let ab = 0
  let aa = 0
  let bb = 0
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as number
    const y = b[i] as number
    ab += x * y
    aa += x * x
    bb += y * y
  }
  return ab / Math.sqrt(aa * bb)
}

/** The numbers of a stored (uncompressed) `.pt` of one linear layer, read without our own reader. */
export async function rawHead(path: string): Promise<Float32Array> {
  const zip = await readFile(path)
  const parts: Float32Array[] = []
  // local file header: signature, 22 bytes, name length, extra length
  for (let at = 0; zip.readUInt32LE(at) === 0x04034b50; ) {
    const size = entrySize(zip, at)
    const nameEnd = at + 30 + zip.readUInt16LE(at + 26)
    const start = nameEnd + zip.readUInt16LE(at + 28)
    const name = zip.toString('latin1', at + 30, nameEnd)
    if (/\/data\/\d+$/.test(name)) {
      const halves = zip.subarray(start, start + size)
      parts.push(
        Float32Array.from({ length: size / 2 }, (_, i) => half(halves.readUInt16LE(2 * i))),
      )
    }
    at = zip.indexOf('PK', start + size, 'latin1')
    // a data descriptor may stand before the next header
    while (zip.readUInt32LE(at) === 0x08074b50) at = zip.indexOf('PK', at + 2, 'latin1')
  }
  const [weight, bias] = parts.sort((a, b) => b.length - a.length) as [Float32Array, Float32Array]
  return joined(weight, bias)
}

/** From the central directory, since a local header may leave it to a descriptor. */
function entrySize(zip: Buffer, header: number): number {
  let at = zip.indexOf('PK\x01\x02', 0, 'latin1')
  while (at >= 0) {
    if (zip.readUInt32LE(at + 42) === header) return zip.readUInt32LE(at + 20)
    at = zip.indexOf('PK\x01\x02', at + 4, 'latin1')
  }
  throw new Error('not in the central directory')
}

function joined(a: Float32Array, b: Float32Array): Float32Array {
  const out = new Float32Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}

/** IEEE binary16. */
function half(bits: number): number {
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25)
  return bits & 0x8000 ? -magnitude : magnitude
}

/** Official heads in the form that the reference takes. */
export async function headsForReference(from: string, to: string): Promise<ReferenceHeads> {
  const heads = { sparse: join(to, 'sparse.bin'), colbert: join(to, 'colbert.bin') }
  for (const name of ['sparse', 'colbert'] as const) {
    const numbers = await rawHead(join(from, `${name}_linear.pt`))
    await writeFile(heads[name], new Uint8Array(numbers.buffer))
  }
  return heads
}
