/**
 * The files that make up bge-m3, pinned: where they are, how long they are, what their bytes hash
 * to. The checksum is the truth; repository and revision only say where such bytes were found.
 */

/** A file to be downloaded from a hub that answers `<endpoint>/<repository>/resolve/<revision>/<path>`. */
export interface FilePin {
  /** Name on disk: a plain file name. */
  readonly name: string
  readonly repository: string
  /** A commit, or a branch where the checksum alone fixes the content. */
  readonly revision: string
  /** Path in the repository; default: `name`. */
  readonly path?: string
  /** Bytes. Together with `sha256`, or neither: then the hub is asked for both. */
  readonly size?: number
  /** Lower-case hex. */
  readonly sha256?: string
}

/** A pin whose content is fixed. */
export type FixedPin = FilePin & { readonly size: number; readonly sha256: string }

/** bge-m3 in Q8_0, converted by llama.cpp's maintainers; MIT. */
export const MODEL_PIN: FixedPin = {
  name: 'bge-m3-q8_0.gguf',
  repository: 'ggml-org/bge-m3-Q8_0-GGUF',
  revision: '9eba04c5d75ba5a1595e45de734d36bef4e5cb98',
  size: 634_553_760,
  sha256: 'aa473d51f451a22f0fcf39ba3330c14bed38a385712b1113440f69df4047a173',
}

/**
 * The sparse and ColBERT heads of the official checkpoint; MIT. The branch is named because no commit
 * is known that could be checked where this was written; the checksum fixes the content all the same,
 * and if `main` should move on, the pull says so and stores nothing.
 */
export const HEAD_PINS: readonly FixedPin[] = [
  {
    name: 'sparse_linear.pt',
    repository: 'BAAI/bge-m3',
    revision: 'main',
    size: 3_516,
    sha256: '45c93804d2142b8f6d7ec6914ae23a1eee9c6a1d27d83d908a20d2afb3595ad9',
  },
  {
    name: 'colbert_linear.pt',
    repository: 'BAAI/bge-m3',
    revision: 'main',
    size: 2_100_674,
    sha256: '19bfbae397c2b7524158c919d0e9b19393c5639d098f0a66932c91ed8f5f9abb',
  },
]

/** In the order of download: the model comes last, so where it is, its heads are too. */
export const BGE_M3_PINS: readonly FixedPin[] = [...HEAD_PINS, MODEL_PIN]

/** The pin that a file with this name and size would have to match. */
export function pinOf(name: string, size: number): FixedPin | undefined {
  return BGE_M3_PINS.find((pin) => pin.name === name && pin.size === size)
}
