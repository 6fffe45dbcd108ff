/** The options of `Embedder.load`, completed by the environment, the preset and the defaults. */
import { diskCacheOf } from '../cache/open.js'
import { InvalidInputError } from '../common/errors.js'
import { containerRoom } from '../common/free-memory.js'
import { checkFunction, checkSignal, refuseUnknown, shown } from '../common/given.js'
import type { FallbackFunction } from '../common/types.js'
import type { FetchOptions } from '../model/fetch/context.js'
import { ensureModel } from '../model/fetch/ensure.js'
import type { Purpose } from '../model/purpose.js'
import type { NativeAddon } from '../native/addon.js'
import { loadAddon } from '../native/load.js'
import { Log } from '../native/log.js'
import { PRESETS, type Tuning } from '../options/presets.js'
import { type Config, DEFAULT_MEMORY_LIMIT, LOAD_NAMES, resolveOptions } from '../options/table.js'
import type { LoadOptions } from '../options/types.js'

export interface Settings extends Tuning {
  path: string
  heads: string | undefined
  /** 0 = one per real core. */
  threads: number
  maxTokens: number | undefined
  memoryLimit: number
  isContained: boolean
  onMemory: LoadOptions['onMemory']
  verify: 'auto' | 'always' | 'never'
  /** What the file must hash to; undefined where nobody pins it. */
  sha256: string | undefined
  retry: number
  cacheDir: string | undefined
  disk: { dir: string; maxBytes: number } | undefined
  cacheTtl: number
}

/** What takes over when the model cannot be used. */
export type FallbackChoice = string | FallbackFunction | undefined

/** Options, environment and defaults, once; functions have no place in the table of options. */
export function resolveLoad(options: LoadOptions): { config: Config; fallback: FallbackChoice } {
  checkLoadOptions(options, 'Embedder.load')
  const { fallback, ...rest } = options
  if (typeof fallback === 'function') return { config: resolveOptions({ ...rest }), fallback }
  const config = resolveOptions({ ...options })
  return { config, fallback: config.fallback }
}

/** What the table of options does not look at. @throws InvalidInputError */
export function checkLoadOptions(
  options: LoadOptions,
  of: string,
  names: readonly string[] = LOAD_NAMES,
): void {
  refuseUnknown(options, names, of)
  const { signal, logger, lazy } = options
  checkSignal(signal)
  checkFunction('onProgress', options.onProgress)
  checkFunction('onMemory', options.onMemory)
  if (logger !== undefined && Object(logger) !== logger) {
    throw new InvalidInputError(`The option \`logger\` must be an object, not ${shown(logger)}.`)
  }
  if (lazy !== undefined && typeof lazy !== 'boolean') {
    throw new InvalidInputError(`The option \`lazy\` must be true or false, not ${shown(lazy)}.`)
  }
}

/** What a load tells and hears while it fetches a model. */
export type Listeners = Pick<LoadOptions, 'logger' | 'signal' | 'onProgress' | 'onMemory'>

/** @throws ModelNotFoundError when the model is not there and cannot be fetched; as `ensureModel` */
export async function settingsOf(
  config: Config,
  listeners: Listeners,
  purpose: Purpose,
): Promise<Settings> {
  const tuning = PRESETS[config.preset]
  return {
    path: await pathOfModel(config, listeners, purpose),
    heads: config.heads,
    threads: config.threads ?? 0,
    maxTokens: config.maxTokens,
    ...memoryOf(config),
    onMemory: listeners.onMemory,
    verify: config.verify,
    sha256: config.sha256,
    retry: config.retry,
    cacheDir: config.cacheDir,
    disk:
      config.diskCache === false
        ? undefined
        : diskCacheOf(config.diskCache, config.diskCacheSize, config.cacheDir),
    cacheTtl: config.cacheTtl,
    batchTokens: config.batchTokens ?? tuning.batchTokens,
    inFlight: tuning.inFlight,
    // whoever names a budget gets it
    targetMs: config.batchTokens === undefined ? tuning.targetMs : Number.POSITIVE_INFINITY,
    cache: config.cache ?? tuning.cache,
    unloadAfter: config.unloadAfter ?? tuning.unloadAfter,
  }
}

/** Where nobody named a limit: no more than the container has for this process. */
function memoryOf({ memoryLimit }: Config): Pick<Settings, 'memoryLimit' | 'isContained'> {
  if (memoryLimit !== undefined) return { memoryLimit, isContained: false }
  const room = containerRoom() ?? Number.POSITIVE_INFINITY
  return {
    memoryLimit: Math.min(room, DEFAULT_MEMORY_LIMIT),
    isContained: room < DEFAULT_MEMORY_LIMIT,
  }
}

/** The environment's and the caller's word are one in `config`; a message names whose it was. */
export function pathOfModel(
  config: Config,
  listeners: Listeners,
  purpose?: Purpose,
): Promise<string> {
  const { model } = config
  const isVariable = model === undefined || model === process.env.BGE_M3_MODEL
  const options = { ...fetchOptions(config, listeners), purpose }
  return ensureModel(isVariable ? undefined : model, options)
}

export function fetchOptions(
  { cacheDir, download }: Config,
  { logger, signal, onProgress }: Listeners,
): FetchOptions {
  const log = new Log(logger)
  const onNotice = (line: string) => log.notice(line, 'BGE_M3_DOWNLOAD')
  return { cacheDir, download, logger, signal, onProgress, onNotice }
}

/**
 * Loads the addon with the kernels that the option names. They are chosen once in a process, so a choice
 * by option works for the first embedder and must agree for the others.
 */
export function addonFor(isa: string): NativeAddon {
  const addon = loadAddon()
  const { isa: running } = addon.machine(isa === 'auto' ? undefined : isa)
  if (isa !== 'auto' && running !== isa) {
    throw new InvalidInputError(
      `The option \`isa\` is ${isa}, but this process computes with ${running}: either the processor lacks ` +
        'it (`bge-m3 doctor` says what it has), or an embedder loaded earlier made the choice.',
    )
  }
  return addon
}
