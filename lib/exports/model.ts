/** `bge-m3-node/model`: finding, fetching, checking and making model files. */

export { cacheDir } from '../common/cache-dir.js'
export {
  CONVERT_TYPES,
  type ConvertOptions,
  type ConvertResult,
  type ConvertType,
  convertCheckpoint,
} from '../model/convert/convert.js'
export {
  type ColbertHead,
  type FindHeadsOptions,
  type Heads,
  loadHeads,
  readHeads,
  type SparseHead,
} from '../model/heads.js'
export type {
  DownloadProgress,
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
  type VerifyReport,
  verifyModel,
} from '../model/integrity.js'
export { type FindModelOptions, findModel } from '../model/locations.js'
export type { FilePin } from '../model/pins.js'
export { createStandin, type StandinInfo, type StandinOptions } from '../model/standin/create.js'
