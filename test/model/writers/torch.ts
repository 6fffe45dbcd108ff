/** Writes checkpoints as `torch.save` does: a zip of stored entries with data descriptors. */

import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from '../../../lib/model/formats/torch/crc32.js'
import { bytes, concat, elements, type WritableTensor } from './tensors.js'

const STORAGES = { F32: 'FloatStorage', F16: 'HalfStorage', I64: 'LongStorage' } as const
/** PyTorch aligns the bytes of every entry. */
const ALIGNMENT = 64

export interface TorchWriterOptions {
  /** Uses the zip64 records even where 32 bits would do. */
  zip64?: boolean
  root?: string
}

export async function writeTorch(
  path: string,
  tensors: readonly WritableTensor[],
  options: TorchWriterOptions = {},
): Promise<void> {
  const handle = await open(path, 'w')
  try {
    const zip = new ZipWriter(handle, options)
    await zip.add('data.pkl', [pickleStateDict(tensors)])
    await zip.add('byteorder', [bytes('little')])
    for (const [i, tensor] of tensors.entries()) await zip.add(`data/${i}`, tensor.chunks())
    await zip.add('version', [bytes('3\n')])
    await zip.end()
  } finally {
    await handle.close()
  }
}

/** The pickle of an OrderedDict of tensors with `_metadata`, protocol 2. */
export function pickleStateDict(tensors: readonly WritableTensor[]): Uint8Array {
  const global = (module: string, name: string) => bytes(`c${module}\n${name}\n`)
  const text = (value: string) => {
    const encoded = bytes(value)
    return bytes('X', [4, encoded.length], encoded)
  }
  const int = (value: number) =>
    value < 256
      ? bytes('K', [1, value])
      : value < 65536
        ? bytes('M', [2, value])
        : bytes('J', [4, value])
  const tuple = (...items: Uint8Array[]) => bytes('(', ...items, 't')
  const emptyDict = bytes(global('collections', 'OrderedDict'), ')R')
  const parts: Uint8Array[] = [bytes([1, 0x80], [1, 2]), emptyDict, bytes('q', [1, 0])]
  for (let start = 0; start < tensors.length; start += 1000) {
    parts.push(bytes('('))
    for (const [i, { name, dtype, shape }] of tensors.slice(start, start + 1000).entries()) {
      const strides = shape.map((_, d) => elements(shape.slice(d + 1)))
      const storage = tuple(
        text('storage'),
        global('torch', STORAGES[dtype]),
        text(String(start + i)),
        text('cpu'),
        int(elements(shape)),
      )
      parts.push(
        text(name),
        global('torch._utils', '_rebuild_tensor_v2'),
        tuple(
          bytes(storage, 'Q'),
          int(0),
          tuple(...shape.map(int)),
          tuple(...strides.map(int)),
          bytes([1, 0x89]),
          emptyDict,
        ),
        bytes('R'),
      )
    }
    parts.push(bytes('u'))
  }
  const version = bytes('}', text('version'), int(1), 's')
  const metadata = bytes(emptyDict, text(''), version, 's')
  parts.push(bytes('}', text('_metadata'), metadata, 's', 'b.'))
  return concat(parts)
}

/** One zip archive; entries are written in order. */
export class ZipWriter {
  private position = 0
  private readonly directory: Uint8Array[] = []

  constructor(
    private readonly handle: FileHandle,
    private readonly options: TorchWriterOptions = {},
  ) {}

  async add(name: string, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
    const encoded = bytes(`${this.options.root ?? 'archive'}/${name}`)
    const headerAt = this.position
    const unpadded = headerAt + 30 + encoded.length + 4
    const padding = (ALIGNMENT - (unpadded % ALIGNMENT)) % ALIGNMENT
    const extra = bytes('FB', [2, padding], 'Z'.repeat(padding))
    // Flags: sizes follow the data; the name is UTF-8.
    const fixed = bytes([2, 0x0808], [2, 0], [2, 0], [2, 0])
    const lengths = bytes([2, encoded.length], [2, extra.length])
    await this.write(bytes('PK\x03\x04', [2, 0], fixed, [8, 0], [4, 0], lengths, encoded, extra))
    let crc = 0
    let size = 0
    for await (const chunk of chunks) {
      crc = crc32(chunk, crc)
      size += chunk.length
      await this.write(chunk)
    }
    const wide = this.isWide(size) || this.isWide(headerAt)
    const width = wide ? 8 : 4
    await this.write(bytes('PK\x07\x08', [4, crc], [width, size], [width, size]))
    const max = 0xffffffff
    const zip64 = wide ? bytes([2, 1], [2, 24], [8, size], [8, size], [8, headerAt]) : bytes()
    this.directory.push(
      bytes('PK\x01\x02', [2, 0], [2, 0], fixed, [4, crc]),
      bytes([4, wide ? max : size], [4, wide ? max : size], [2, encoded.length]),
      bytes([2, zip64.length], [2, 0], [2, 0], [2, 0], [4, 0], [4, wide ? max : headerAt]),
      encoded,
      zip64,
    )
  }

  async end(): Promise<void> {
    const start = this.position
    const count = this.directory.length / 5
    const directory = concat(this.directory)
    await this.write(directory)
    const wide = this.isWide(start)
    if (wide) {
      const at = this.position
      const counts = bytes([8, count], [8, count], [8, directory.length], [8, start])
      await this.write(bytes('PK\x06\x06', [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], counts))
      await this.write(bytes('PK\x06\x07', [4, 0], [8, at], [4, 1]))
    }
    const counts = bytes([2, wide ? 0xffff : count], [2, wide ? 0xffff : count])
    const place = bytes([4, wide ? 0xffffffff : directory.length], [4, wide ? 0xffffffff : start])
    await this.write(bytes('PK\x05\x06', [2, 0], [2, 0], counts, place, [2, 0]))
  }

  private isWide(value: number): boolean {
    return this.options.zip64 === true || value >= 0xffffffff
  }

  private async write(chunk: Uint8Array): Promise<void> {
    await this.handle.write(chunk)
    this.position += chunk.length
  }
}
