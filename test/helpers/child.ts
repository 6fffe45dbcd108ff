/** Runs a program in a process of its own, with a deadline: a hang or a crash is seen as one. */
import { spawn } from 'node:child_process'
import path from 'node:path'

export const root = path.resolve(import.meta.dirname, '../..')

export interface ChildResult {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  timedOut: boolean
}

export interface ChildOptions {
  deadline?: number
  env?: NodeJS.ProcessEnv
  /** Default: the checkout. */
  cwd?: string
  execArgv?: string[]
  /** Sent when the child prints the line `MARK`. */
  signalAtMark?: NodeJS.Signals
  /** Runs the program under this shell prefix, such as `ulimit -v 1000000;`. */
  shellPrefix?: string
}

/** Runs `source`, an ES module that may import from the package's built `dist`. */
export function runModule(source: string, options: ChildOptions = {}): Promise<ChildResult> {
  const args = [...(options.execArgv ?? []), '--input-type=module', '-e', source]
  return run(process.execPath, args, options)
}

/** The line that starts every such module. */
export const importPackage = `import { Embedder } from ${JSON.stringify(
  path.join(root, 'dist/index.js'),
)};`

export function run(
  command: string,
  args: string[],
  options: ChildOptions = {},
): Promise<ChildResult> {
  const { deadline = 240_000, env = process.env, cwd = root, signalAtMark, shellPrefix } = options
  const child = shellPrefix
    ? spawn('bash', ['-c', `${shellPrefix} exec "$@"`, 'bash', command, ...args], {
        env,
        cwd,
      })
    : spawn(command, args, { env, cwd })
  return new Promise((resolve, reject) => {
    let stdout = ''
    let stderr = ''
    let timedOut = false
    let marked = false
    const timer = setTimeout(() => {
      timedOut = true
      child.kill('SIGKILL')
    }, deadline)
    child.stdin.end()
    child.stdout.on('data', (data) => {
      stdout += data
      if (!marked && /^MARK$/m.test(stdout)) {
        marked = true
        if (signalAtMark) child.kill(signalAtMark)
      }
    })
    child.stderr.on('data', (data) => {
      stderr += data
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, stdout, stderr, timedOut })
    })
  })
}
