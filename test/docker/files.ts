/** The Docker files as tests read them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Dockerfile, DockerfileParser, type Instruction } from 'dockerfile-ast'
import { parse } from 'yaml'
import { root } from '../helpers/child.js'

export const read = (path: string): string => readFileSync(join(root, path), 'utf8')

export const readYaml = (path: string): unknown => parse(read(path))

export const dockerfileText = read('Dockerfile')
export const dockerfile: Dockerfile = DockerfileParser.parse(dockerfileText)

export interface Stage {
  name: string
  /** What it starts from: an image, or an earlier stage. */
  from: string
  instructions: Instruction[]
}

/** The stages, each with its own instructions. */
export function stages(): Stage[] {
  const found: Stage[] = []
  for (const instruction of dockerfile.getInstructions()) {
    const keyword = instruction.getKeyword()
    if (keyword === 'FROM') {
      const [from = '', , name = ''] = instruction.getArguments().map((word) => word.getValue())
      found.push({ name, from, instructions: [] })
    } else found.at(-1)?.instructions.push(instruction)
  }
  return found
}

/** Instructions of one kind in a stage and in what it starts from, the latter first. */
export function inherited(name: string, keyword: string): Instruction[] {
  const stage = stages().find((candidate) => candidate.name === name)
  if (!stage) return []
  const own = stage.instructions.filter((instruction) => instruction.getKeyword() === keyword)
  return [...inherited(stage.from, keyword), ...own]
}

export const argumentsOf = (instruction: Instruction): string[] =>
  instruction.getArguments().map((word) => word.getValue())

/** Whether .dockerignore lets `path` into the build: the last rule that matches it decides. */
export function isInContext(path: string): boolean {
  const prefixes = path.split('/').map((_, i, parts) => parts.slice(0, i + 1).join('/'))
  let included = true
  for (const line of read('.dockerignore').split('\n')) {
    const rule = line.trim()
    if (rule === '' || rule.startsWith('#')) continue
    const pattern = ruleToPattern(rule.replace(/^!/, ''))
    if (prefixes.some((prefix) => pattern.test(prefix))) included = rule.startsWith('!')
  }
  return included
}

function ruleToPattern(rule: string): RegExp {
  const source = rule
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*\*\/|\*/g, (stars) => (stars === '*' ? '[^/]*' : '(?:.*/)?'))
  return new RegExp(`^${source}$`)
}
