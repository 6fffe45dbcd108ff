import { type Command, Option } from 'commander'
import { formatSize } from '../../../common/units.js'
import { POOLING_MODES, type PoolingMode } from '../../../model/convert/pooling.js'
import { type Cli, examples } from '../shared/cli.js'
import { EXIT } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import type { Flags } from '../shared/options.js'
import { present } from '../shared/present.js'

const ABOUT = `
The directory holds config.json; model.safetensors or pytorch_model.bin; sentencepiece.bpe.model,
tokenizer.json or vocab.txt; and, if there, sentence-transformers' modules.json with what it names,
sparse_linear.pt and colbert_linear.pt, which go into the GGUF too. What is not understood is refused. No
Python is needed, and memory does not grow with the model.`

export function convertCommand(parent: Command, cli: Cli): void {
  const command = parent
    .command('convert')
    .summary('Make a GGUF from an official checkpoint.')
    .description('Make one GGUF, heads included, from a checkpoint as the hub has it.')
    .argument('<dir>', 'Directory of the checkpoint.')
    .requiredOption('-o, --output <FILE>', 'The GGUF to write.')
    .addOption(
      new Option('-t, --type <TYPE>', 'Number format of the matrices.')
        .choices(['q8_0', 'q4_0', 'f16', 'f32'])
        .default('q8_0'),
    )
    .addOption(
      new Option('--pooling <MODE>', 'How to pool, where no file says it. Default: cls.').choices([
        ...POOLING_MODES,
      ]),
    )
    .option('--heads <DIR>', 'Where the two head files are, if not in the checkpoint.')
    .option('--no-heads', 'Leave the heads out.')
    .option('--name <NAME>', "The model's name. Default: the directory's.")
    .option('--json', 'Print JSON.')
    .addHelpText('after', ABOUT)
  examples(command, ['bge-m3 model convert ./bge-m3 --output bge-m3-q8_0.gguf', 'about 635 MB'])
  cli.action(command, ([directory], flags) => convert(cli.io, directory as string, flags))
}

interface ConvertFlags {
  output: string
  type: 'q8_0' | 'q4_0' | 'f16' | 'f32'
  pooling?: PoolingMode
  /** `true`: nothing was said. */
  heads: string | boolean
  name?: string
  json?: boolean
}

async function convert(io: CliIo, directory: string, flags: Flags): Promise<number> {
  const { convertCheckpoint } = await import('../../../model/convert/convert.js')
  const { fileProgress } = await import('../shared/progress-bar.js')
  const { output, type, heads, name, pooling, json } = flags as unknown as ConvertFlags
  const { onProgress, stop } = fileProgress(io, 'convert')
  try {
    const result = await convertCheckpoint(directory, {
      ...present({ heads: heads === true ? undefined : heads, name, pooling }),
      output,
      type,
      signal: io.signal,
      onProgress,
    })
    stop()
    if (json) io.stdout.write(`${JSON.stringify(result)}\n`)
    else {
      const { sparse, colbert } = result.heads
      const carried = [sparse && 'sparse', colbert && 'colbert'].filter(Boolean).join(' and ')
      say(
        io,
        `${formatSize(result.sizeBytes)}, ${result.tensors} tensors in ${type}, heads: ${carried || 'none'}; from ${result.sources.join(', ')}`,
      )
      const { pooling: modes, poolingAssumed, modules, maxTokens } = result
      if (modes.length > 0) {
        const chain = [...modes, ...modules].join(', ')
        const assumed = poolingAssumed ? ' (no file says how to pool)' : ''
        say(io, `Vectors by ${chain}${assumed}, of texts of up to ${maxTokens} tokens`)
      }
      io.stdout.write(`${result.path}\n`)
    }
    return EXIT.done
  } finally {
    stop()
  }
}
