/**
 * Qdrant's OpenAPI schema, as JSON Schema, from the typings that its own client was generated with: for
 * each route what it is asked and what it answers, strictly. The typings are read, not compiled: their
 * shapes are few (literals, arrays, unions, maps, references), and their comments carry the number formats.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { Ajv, type ValidateFunction } from 'ajv'
import ts from 'typescript'

type Schema = Record<string, unknown>

export interface Operation {
  /** Such as `/collections/{collection_name}/points`. */
  path: string
  method: string
  /** Names of the parameters in the query. */
  query: Set<string>
  /** `undefined` for a route without a body. */
  checkBody: ValidateFunction | undefined
  checkAnswer: ValidateFunction
}

const client = path.dirname(createRequire(import.meta.url).resolve('@qdrant/js-client-rest'))
const FILE = path.join(client, '../types/openapi/generated_schema.d.ts')

/** All operations by `METHOD /path`, their validators made when first used. */
export function loadOperations(): Map<string, Operation> {
  const source = ts.createSourceFile(FILE, readFileSync(FILE, 'utf8'), ts.ScriptTarget.Latest, true)
  const top = new Map<string, ts.TypeElement[]>()
  for (const statement of source.statements) {
    if (ts.isInterfaceDeclaration(statement)) {
      top.set(statement.name.text, [...statement.members])
    }
  }
  const schemas = member(top.get('components') ?? [], 'schemas')
  const ajv = new Ajv({ strict: false, allErrors: false, logger: false })
  const defs: Schema = {}
  for (const element of elements(schemas)) {
    if (ts.isPropertySignature(element) && element.type) {
      defs[nameOf(element)] = convert(element.type, element)
    }
  }
  ajv.addSchema({ $id: 'qdrant', $defs: defs })
  const operations = new Map<string, Operation>()
  for (const route of top.get('paths') ?? []) {
    for (const verb of elements((route as ts.PropertySignature).type)) {
      const reference = (verb as ts.PropertySignature).type
      if (!reference || !ts.isIndexedAccessTypeNode(reference)) continue
      const operation = member(top.get('operations') ?? [], literalOf(reference.indexType))
      const method = nameOf(verb).toUpperCase()
      operations.set(
        `${method} ${nameOf(route)}`,
        lazily(ajv, method, nameOf(route), elements(operation)),
      )
    }
  }
  return operations
}

function lazily(ajv: Ajv, method: string, path: string, of: readonly ts.TypeElement[]): Operation {
  const query = find(find(of, 'parameters'), 'query')
  const body = find(find(find(of, 'requestBody'), 'content'), 'application/json')
  const answer = find(find(find(find(of, 'responses'), '200'), 'content'), 'application/json')
  const compiled = new Map<ts.TypeNode, ValidateFunction>()
  const validator = (node: ts.TypeNode): ValidateFunction => {
    const validate = compiled.get(node) ?? ajv.compile(convert(node))
    compiled.set(node, validate)
    return validate
  }
  return {
    path,
    method,
    query: new Set(elements(query).map(nameOf)),
    get checkBody() {
      return body && validator(body)
    },
    get checkAnswer() {
      return validator(answer as ts.TypeNode)
    },
  }
}

function nameOf({ name }: ts.TypeElement): string {
  if (name && (ts.isIdentifier(name) || ts.isStringLiteral(name) || ts.isNumericLiteral(name))) {
    return name.text
  }
  throw new Error('a member of a kind that the typings did not have')
}

function elements(node: ts.TypeNode | undefined): readonly ts.TypeElement[] {
  return node && ts.isTypeLiteralNode(node) ? [...node.members] : []
}

function find(
  of: ts.TypeNode | readonly ts.TypeElement[] | undefined,
  name: string,
): ts.TypeNode | undefined {
  const all = Array.isArray(of) ? of : elements(of as ts.TypeNode | undefined)
  const found = all.find((element) => element.name && nameOf(element) === name)
  return (found as ts.PropertySignature | undefined)?.type
}

function member(of: readonly ts.TypeElement[], name: string): ts.TypeNode {
  const found = find(of, name)
  if (!found) throw new Error(`the typings have no ${name}`)
  return found
}

function literalOf(node: ts.TypeNode): string {
  if (ts.isLiteralTypeNode(node) && ts.isStringLiteral(node.literal)) return node.literal.text
  throw new Error('an index of a kind that the typings did not have')
}

/** @param element whose comment says more of a number than its type */
function convert(node: ts.TypeNode, element?: ts.TypeElement): Schema {
  if (ts.isParenthesizedTypeNode(node)) return convert(node.type, element)
  if (ts.isArrayTypeNode(node)) return { type: 'array', items: convert(node.elementType) }
  if (ts.isTupleTypeNode(node)) {
    return { type: 'array', items: node.elements.map((item) => convert(item)) }
  }
  if (ts.isTypeLiteralNode(node)) return convertLiteral(node)
  if (ts.isIndexedAccessTypeNode(node)) {
    return { $ref: `qdrant#/$defs/${literalOf(node.indexType)}` }
  }
  if (ts.isUnionTypeNode(node)) return convertUnion(node.types, element)
  if (ts.isLiteralTypeNode(node)) {
    if (node.literal.kind === ts.SyntaxKind.NullKeyword) return { type: 'null' }
    if (node.literal.kind === ts.SyntaxKind.TrueKeyword) return { const: true }
    if (node.literal.kind === ts.SyntaxKind.FalseKeyword) return { const: false }
    return { const: literalOf(node) }
  }
  if (ts.isTypeReferenceNode(node)) return convertReference(node)
  switch (node.kind) {
    case ts.SyntaxKind.StringKeyword:
      return { type: 'string' }
    case ts.SyntaxKind.NumberKeyword:
      return numberOf(element)
    case ts.SyntaxKind.BooleanKeyword:
      return { type: 'boolean' }
    case ts.SyntaxKind.UnknownKeyword:
      return {}
    case ts.SyntaxKind.UndefinedKeyword:
    case ts.SyntaxKind.NeverKeyword:
      return { not: {} }
    default:
      throw new Error(`the typings have a ${ts.SyntaxKind[node.kind]}`)
  }
}

/** No member but those that are named: what a server does not know it would pass over in silence. */
function convertLiteral(node: ts.TypeLiteralNode): Schema {
  const properties: Schema = {}
  const required: string[] = []
  let additional: Schema | false = false
  for (const element of node.members) {
    if (ts.isIndexSignatureDeclaration(element)) {
      additional = convert(element.type)
      continue
    }
    const { type, questionToken } = element as ts.PropertySignature
    if (!type) continue
    properties[nameOf(element)] = convert(type, element)
    if (!questionToken) required.push(nameOf(element))
  }
  return { type: 'object', properties, required, additionalProperties: additional }
}

function convertUnion(types: readonly ts.TypeNode[], element?: ts.TypeElement): Schema {
  const flat = types.flatMap((type): ts.TypeNode[] => {
    const bare = ts.isParenthesizedTypeNode(type) ? type.type : type
    return ts.isUnionTypeNode(bare) ? [...bare.types] : [bare]
  })
  const known = flat.filter((type) => type.kind !== ts.SyntaxKind.UndefinedKeyword)
  // `X | (Record<string, unknown> | null)` is how the generator writes that X may be null
  const isNullable = known.some((type) => isNull(type)) && known.some((type) => isRecord(type))
  const members = isNullable && known.length > 2 ? known.filter((type) => !isRecord(type)) : known
  const options = members.map((type) => convert(type, element))
  return options.length === 1 ? (options[0] as Schema) : { anyOf: options }
}

function isNull(node: ts.TypeNode): boolean {
  return ts.isLiteralTypeNode(node) && node.literal.kind === ts.SyntaxKind.NullKeyword
}

function isRecord(node: ts.TypeNode): boolean {
  return ts.isTypeReferenceNode(node) && node.typeName.getText() === 'Record'
}

function convertReference(node: ts.TypeReferenceNode): Schema {
  const name = node.typeName.getText()
  const [first, second] = node.typeArguments ?? []
  if (name === 'Record')
    return { type: 'object', additionalProperties: second ? convert(second) : {} }
  if (name === 'OneOf' && first && ts.isTupleTypeNode(first)) {
    return { oneOf: first.elements.map((type) => convert(type)) }
  }
  throw new Error(`the typings refer to ${name}`)
}

/** `Format: uint64` in the comment: an integer, from 0. */
function numberOf(element: ts.TypeElement | undefined): Schema {
  const comment = element?.getFullText().slice(0, element.getStart() - element.getFullStart()) ?? ''
  const format = /Format: (\w+)/.exec(comment)?.[1] ?? ''
  if (format.startsWith('uint')) return { type: 'integer', minimum: 0 }
  return { type: format.startsWith('int') ? 'integer' : 'number' }
}
