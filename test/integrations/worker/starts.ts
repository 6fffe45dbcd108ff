/** Ways to start a worker with the stand-in. */
import { type ChildProcess, fork } from 'node:child_process'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { EmbedderPort, ServeOptions } from '../../../lib/exports/worker.js'
import { FakeUtilityProcess } from '../../electron/fake-ports.mjs'

const program = (name: string) => path.join(import.meta.dirname, 'programs', `${name}.mjs`)

/** What is data alone. */
export type Options = Pick<ServeOptions, 'model' | 'cache' | 'threads' | 'lazy' | 'maxPending'>

export const thread = (options: Options) =>
  new Worker(program('thread'), { workerData: { options } })

export function child(
  options: Options,
  serialization: 'advanced' | 'json' = 'advanced',
): ChildProcess {
  return fork(program('child'), [JSON.stringify(options)], { serialization })
}

export const utility = (options: Options) =>
  new FakeUtilityProcess(program('utility'), [JSON.stringify(options)])

export const KINDS: Readonly<Record<string, (options: Options) => EmbedderPort>> = {
  'a worker thread': thread,
  'a forked process': child,
  'a utility process': utility,
}
