/** What the points of a map can be coloured by: clusters, metadata, and what was measured. */

import { pack } from './pack.js'
import { type Attribute, NO_CODE } from './shared/data.js'
import type { Scalar, VectorTable } from './vectors/table.js'

/** More labels than that are names rather than kinds. */
const MOST_LABELS = 1000
/** So few numbers are kinds. */
const FEW_NUMBERS = 8

export function categories(name: string, values: readonly (string | undefined)[]): Attribute {
  const counts = new Map<string, number>()
  for (const value of values) {
    if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  const labels = [...counts.keys()].sort(
    (a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0) || (a < b ? -1 : 1),
  )
  const codeOf = new Map(labels.map((label, code) => [label, code]))
  const codes = Uint16Array.from(values, (value) =>
    value === undefined ? NO_CODE : (codeOf.get(value) ?? NO_CODE),
  )
  return { kind: 'category', name, labels, codes: pack(codes) }
}

/** @param values NaN for none */
export function numbers(name: string, values: Float32Array): Attribute {
  return { kind: 'number', name, values: pack(values) }
}

/** A column for each member that the metadata have, but for those that name every point, or are all alike. */
export function metadataAttributes({ metadata, rows }: VectorTable): Attribute[] {
  const names = new Set<string>()
  for (const record of metadata) for (const name of Object.keys(record ?? {})) names.add(name)
  return [...names].flatMap((name) => {
    const values = metadata.map((record) => record?.[name])
    const distinct = new Set(values.filter((value) => value !== undefined))
    if (new Set(values).size < 2) return []
    const isNumeric = values.every((value) => value === undefined || typeof value === 'number')
    if (isNumeric && distinct.size > FEW_NUMBERS) {
      const floats = Float32Array.from(
        values,
        (value) => (value as number | undefined) ?? Number.NaN,
      )
      return [numbers(name, floats)]
    }
    const isName = distinct.size > MOST_LABELS || (distinct.size > 20 && distinct.size > rows / 2)
    return isName ? [] : [categories(name, values.map(labelOf))]
  })
}

function labelOf(value: Scalar | undefined): string | undefined {
  return value === undefined ? undefined : String(value).slice(0, 80)
}

/** Names are what the page tells attributes apart by. */
export function uniquelyNamed(attributes: readonly Attribute[]): Attribute[] {
  const taken = new Set<string>()
  return attributes.map((attribute) => {
    let { name } = attribute
    for (let n = 2; taken.has(name); n++) name = `${attribute.name} (${n})`
    taken.add(name)
    return { ...attribute, name }
  })
}
