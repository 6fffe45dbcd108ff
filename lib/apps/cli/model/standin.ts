import { type Command, Option } from 'commander'
import { formatSize } from '../../../common/units.js'
import { STANDIN_ARCHS, type StandinArch } from '../../../model/standin/shapes.js'
import { type Cli, examples } from '../shared/cli.js'
import { EXIT } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import { type Flags, integer } from '../shared/options.js'

const ABOUT = `
A stand-in has the true architecture and vocabulary, and seeded random weights: it is for tests and
benchmarks where the real weights cannot be had. ITS EMBEDDINGS MEAN NOTHING. The same options give the
same bytes everywhere. Sizes: full is the model's own shape (635 MB), small has 2 layers of full width,
tiny has 2 layers, 64 wide. It carries seeded heads, so every output works on it.`

export function standinCommand(parent: Command, cli: Cli): void {
  const command = parent
    .command('standin')
    .summary('Make a model with random weights, for tests.')
    .description('Make a model with random weights, for tests and benchmarks.')
    .requiredOption('-o, --output <FILE>', 'The GGUF to write.')
    .addOption(
      new Option('-s, --size <SIZE>', 'How much of the shape it has.')
        .choices(['tiny', 'small', 'full'])
        .default('small'),
    )
    .addOption(
      new Option('-a, --arch <ARCH>', 'Which model it stands in for.')
        .choices([...STANDIN_ARCHS])
        .default('bge-m3'),
    )
    .addOption(
      new Option('-t, --type <TYPE>', 'Number format of the matrices.')
        .choices(['q8_0', 'f16', 'f32'])
        .default('q8_0'),
    )
    .option('--vocab <FILE>', "A GGUF that has the vocabulary. Default: in llama.cpp's sources.")
    .option('--seed <N>', 'Another seed gives other weights.', integer(0, 0xffffffff), 1)
    .option('--json', 'Print JSON.')
    .addHelpText('after', ABOUT)
  examples(command, ['bge-m3 model standin --size tiny -o tiny.gguf', 'a model of a few megabytes'])
  cli.action(command, (_args, flags) => standin(cli.io, flags))
}

interface StandinFlags {
  output: string
  size: 'tiny' | 'small' | 'full'
  arch: StandinArch
  type: 'q8_0' | 'f16' | 'f32'
  vocab?: string
  seed: number
  json?: boolean
}

async function standin(io: CliIo, flags: Flags): Promise<number> {
  const { createStandin } = await import('../../../model/standin/create.js')
  const { fileProgress } = await import('../shared/progress-bar.js')
  const { json, ...options } = flags as unknown as StandinFlags
  const { onProgress, stop } = fileProgress(io, 'stand-in')
  try {
    const info = await createStandin({ ...options, signal: io.signal, onProgress })
    stop()
    const { path, layers, dim, sizeBytes, parameters } = info
    const shape = `${layers} layers, ${dim} wide, ${(parameters / 1e6).toFixed(1)} M weights`
    if (!json) say(io, `made ${info.arch} ${info.size}: ${shape}, ${formatSize(sizeBytes)}`)
    say(io, 'NOTE: the weights are random. Embeddings of this model mean nothing.')
    io.stdout.write(json ? `${JSON.stringify({ ...info, standin: true })}\n` : `${path}\n`)
    return EXIT.done
  } finally {
    stop()
  }
}
