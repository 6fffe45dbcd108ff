/** `bge-m3-node/model`: finding, fetching, checking and making model files. */

export { cacheDir } from '../common/cache-dir.js'
export type { DownloadProgress } from '../common/types.js'
export {
  CONVERT_TYPES,
  type ConvertOptions,
  type ConvertResult,
  type ConvertType,
  convertCheckpoint,
} from '../model/convert/convert.js'
export type { FetchOptions } from '../model/fetch/context.js'
export { ensureModel } from '../model/fetch/ensure.js'
export {
  type ColbertHead,
  type FindHeadsOptions,
  type Heads,
  loadHeads,
  readHeads,
  type SparseHead,
} from '../model/heads.js'
export type {
  Patience,
  PulledFile,
  PullOptions,
  PullResult,
} from '../model/hub/options.js'
export { pullModel } from '../model/hub/pull.js'
export { inspectModel, type ModelInspection } from '../model/inspect.js'
export {
  type Expected,
  type ExpectedSource,
  type HashOptions,
  type IntegrityOptions,
  type Pinned,
  type VerifyReport,
  verifyModel,
} from '../model/integrity.js'
export { type FindModelOptions, findModel } from '../model/locations.js'
export { NAMED_MODELS, type NamedModel } from '../model/names.js'
export type { FilePin, FixedPin } from '../model/pins.js'
export type { Prompts } from '../model/prompts.js'
export type { Purpose } from '../model/purpose.js'
export { createStandin, type StandinInfo, type StandinOptions } from '../model/standin/create.js'
