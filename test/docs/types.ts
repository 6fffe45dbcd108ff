/** Type-checks modules against the built package, as a user's compiler does. */
import path from 'node:path'
import ts from 'typescript'
import { root } from '../helpers/child.js'

const ELECTRON = path.join(import.meta.dirname, 'electron.d.ts')

/** Problems by file. */
export function typeErrors(files: readonly string[]): Map<string, string[]> {
  const program = ts.createProgram([...files, ELECTRON], {
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ['node'],
    typeRoots: [path.join(root, 'node_modules/@types')],
    allowJs: true,
    checkJs: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    noEmit: true,
  })
  const found = new Map<string, string[]>()
  for (const file of files) {
    const source = program.getSourceFile(file)
    if (!source) throw new Error(`${file} is not there`)
    const messages = [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ].map(({ start = 0, messageText }) => {
      const { line } = source.getLineAndCharacterOfPosition(start)
      return `${source.text.split('\n')[line]?.trim()}: ${flat(messageText)}`
    })
    if (messages.length > 0) found.set(file, messages)
  }
  return found
}

/** What only silences the compiler: `x!` and `x as T`, but not `as const`. */
export function silenced(code: string): string[] {
  const source = ts.createSourceFile('block.mts', code, ts.ScriptTarget.ES2022, true)
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (
      ts.isNonNullExpression(node) ||
      (ts.isAsExpression(node) && !ts.isConstTypeReference(node.type))
    )
      found.push(node.getText())
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

const flat = (message: string | ts.DiagnosticMessageChain) =>
  ts.flattenDiagnosticMessageText(message, ' ')
