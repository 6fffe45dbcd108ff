/** Whether the command has what the documentation says: looked up in the program itself, nothing is run. */
import type { Command } from 'commander'
import { buildProgram } from '../../lib/apps/cli/program.js'

const io = { stdout: process.stdout, stderr: process.stderr } as unknown as Parameters<
  typeof buildProgram
>[0]
const program = buildProgram(io, () => {})

/** Commands and flags in `code` that `bge-m3` does not have. */
export function unknownFlags(code: string): string[] {
  const lines = code
    .replace(/\\\n/g, ' ')
    .replace(/#[^\n]*/g, '')
    .split(/\n|&&|\||;/)
  return lines.flatMap((line) => {
    const [, args] = /(?:^|\s)(?:npx )?bge-m3 (.*)$/.exec(line.trim()) ?? []
    return args === undefined ? [] : unknownIn(words(args))
  })
}

/** Words of a command line, quotes taken off. */
function words(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? '',
  )
}

function unknownIn(args: string[]): string[] {
  let command: Command = program
  let rest = args
  for (;;) {
    const next = command.commands.find(
      (one) => one.name() === rest[0] || one.aliases().includes(rest[0] ?? ''),
    )
    if (!next) break
    command = next
    rest = rest.slice(1)
  }
  if (command === program) {
    const known = !rest[0] || rest[0].startsWith('-') || rest[0] === 'help'
    return known ? [] : [`bge-m3 ${rest[0]}`]
  }
  if (command.commands.length > 0 && rest[0] && !rest[0].startsWith('-'))
    return [`bge-m3 ${command.name()} ${rest[0]}`]
  const flags = command.options.flatMap(({ long, short }) => [long, short])
  return rest
    .filter((word) => /^--?[a-z]/i.test(word))
    .map((word) => word.replace(/=.*/, ''))
    .filter((flag) => !flags.includes(flag) && flag !== '--help' && flag !== '-h')
    .map((flag) => `bge-m3 ${command.name()} ${flag}`)
}

/** Commands as a user writes them: `embed`, `model pull`, ... */
export function commandNames(command: Command = program): string[] {
  return command.commands
    .filter((one) => one.name() !== 'help')
    .flatMap((one) =>
      one.commands.length > 0
        ? commandNames(one).map((name) => `${one.name()} ${name}`)
        : [one.name()],
    )
}
