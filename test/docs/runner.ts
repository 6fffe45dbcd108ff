/** Runs modules in one long-lived process, and shell commands in processes of their own. */
import { type ChildProcess, fork } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { root, run } from '../helpers/child.js'

const DEADLINE = 240_000

export interface Ran {
  output: string
  error?: string
}

export class Runner {
  readonly #env: NodeJS.ProcessEnv
  #child: ChildProcess | undefined

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env
  }

  module(file: string, cwd: string, model: string): Promise<Ran> {
    this.#child ??= fork(path.join(import.meta.dirname, 'run-blocks.mjs'), {
      env: this.#env,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const child = this.#child
    return new Promise((resolve) => {
      const end = (ran: Ran) => {
        clearTimeout(timer)
        child.off('message', end)
        child.off('exit', onExit)
        resolve(ran)
      }
      const restart = (error: string) => {
        this.#child = undefined
        end({ output: '', error })
      }
      const onExit = (code: number | null) => restart(`it ended the process (${code})`)
      const timer = setTimeout(() => {
        child.kill('SIGKILL')
        restart(`it was not done after ${DEADLINE / 1000} s`)
      }, DEADLINE)
      child.on('message', end as (message: unknown) => void)
      child.on('exit', onExit)
      child.send({ file, cwd, model })
    })
  }

  async shell(code: string, cwd: string, model: string): Promise<Ran & { exits: number | null }> {
    const script = `set -euo pipefail; cd "$1"; ${code}`
    const end = await run('bash', ['-c', script, 'bash', cwd], {
      env: { ...this.#env, BGE_M3_MODEL: model },
      deadline: DEADLINE,
    })
    const trouble = end.timedOut ? 'timed out' : `exit code ${end.code}: ${end.stderr}`
    return { output: end.stdout, exits: end.code, error: trouble }
  }

  close(): void {
    this.#child?.disconnect()
    this.#child = undefined
  }
}

/**
 * A folder for PATH: `bge-m3` from the build, and an `npm` that installs nothing but knows which packages
 * and scripts there are.
 */
export function makeBin(folder: string): void {
  fs.mkdirSync(folder, { recursive: true })
  const program = (name: string, lines: string[]) =>
    fs.writeFileSync(path.join(folder, name), `#!/bin/sh\n${lines.join('\n')}\n`, { mode: 0o755 })
  const main = path.join(root, 'dist', 'cli', 'main.js')
  program('bge-m3', [`exec "${process.execPath}" "${main}" "$@"`])
  program('npm', [`exec "${process.execPath}" "${path.join(import.meta.dirname, 'npm.mjs')}" "$@"`])
  program('npx', ['[ "$1" = bge-m3 ] || exit 2', 'exec "$@"'])
}
