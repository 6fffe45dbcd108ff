/** Type-checks modules against the built package, as a user's compiler does. */
import path from 'node:path'
import ts from 'typescript'
import { root } from '../helpers/child.js'

/** In JavaScript nobody says that a member is there; these are about that alone. */
const ONLY_TYPESCRIPT = new Set([
  2531, 2532, 2533, 18046, 18047, 18048, 18049, 7005, 7006, 7015, 7018, 7023, 7031, 7034, 7053,
])

/** Problems by file. */
export function typeErrors(files: readonly string[]): Map<string, string[]> {
  const program = ts.createProgram(files, {
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ['node'],
    typeRoots: [path.join(root, 'node_modules/@types')],
    allowJs: true,
    checkJs: true,
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  })
  const found = new Map<string, string[]>()
  for (const file of files) {
    const source = program.getSourceFile(file)
    if (!source) throw new Error(`${file} is not there`)
    const isScript = !file.endsWith('.mts')
    const messages = [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ]
      .filter(
        ({ code, messageText }) =>
          !(isScript && (ONLY_TYPESCRIPT.has(code) || /undefined/.test(flat(messageText)))),
      )
      .map(({ start = 0, messageText }) => {
        const { line } = source.getLineAndCharacterOfPosition(start)
        return `${source.text.split('\n')[line]?.trim()}: ${flat(messageText)}`
      })
    if (messages.length > 0) found.set(file, messages)
  }
  return found
}

const flat = (message: string | ts.DiagnosticMessageChain) =>
  ts.flattenDiagnosticMessageText(message, ' ')
