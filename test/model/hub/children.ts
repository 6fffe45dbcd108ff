import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll } from 'vitest'
import type { PullOptions, PullResult } from '../../../lib/model/hub/options.js'

export interface Child<Result = PullResult> {
  process: ChildProcess
  /** Resolves when it writes its first line. */
  started: Promise<void>
  /** Resolves when it has ended. */
  ended: Promise<{ output: string; signal: NodeJS.Signals | null; result: Result | undefined }>
}

type Env = Readonly<Record<string, string>>

/** Bundles `pull-child.ts` for the file; the function starts it. */
export const usePullChild = (): ((options: PullOptions, env?: Env) => Child) =>
  useChild<PullOptions, PullResult>(join(import.meta.dirname, 'pull-child.ts'))

/** The same for another script that writes such lines. */
export function useChild<Options, Result>(
  script: string,
): (options: Options, env?: Env) => Child<Result> {
  let directory = ''
  const children = new Set<ChildProcess>()
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'bge-m3-child-'))
    await build({
      entryPoints: [script],
      outfile: join(directory, 'child.cjs'),
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'cjs',
      logLevel: 'error',
    })
  })
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL')
    await rm(directory, { recursive: true, force: true })
  })
  return (options, env = {}) => {
    const args = [join(directory, 'child.cjs'), JSON.stringify(options)]
    const child = spawn(process.execPath, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.add(child)
    let output = ''
    const started = new Promise<void>((resolve) => child.stdout?.once('data', () => resolve()))
    child.stdout?.on('data', (data) => {
      output += data
    })
    const ended = new Promise<Awaited<Child<Result>['ended']>>((resolve) => {
      child.on('close', (_code, signal) => {
        children.delete(child)
        const json = /^done (.*)$/m.exec(output)?.[1]
        const result = json === undefined ? undefined : (JSON.parse(json) as Result)
        resolve({ output, signal, result })
      })
    })
    return { process: child, started, ended }
  }
}
