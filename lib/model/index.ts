/** `bge-m3-node/model`: finding, fetching, checking and making model files. */
export {
  CONVERT_TYPES,
  type ConvertOptions,
  type ConvertResult,
  type ConvertType,
  convertCheckpoint,
} from './convert/index.js'
export type {
  DownloadLogger,
  DownloadProgress,
  Patience,
  PulledFile,
  PullOptions,
  PullResult,
} from './download/options.js'
export { pullModel } from './download/pull.js'
export {
  type ColbertHead,
  type FindHeadsOptions,
  type Heads,
  loadHeads,
  readHeads,
  type SparseHead,
} from './heads.js'
export { inspectModel, type ModelInspection } from './inspect.js'
export {
  type Expected,
  type ExpectedSource,
  type HashOptions,
  type IntegrityOptions,
  type VerifyReport,
  verifyModel,
} from './integrity.js'
export { cacheDir, type FindModelOptions, findModel } from './locations.js'
export type { FilePin } from './pins.js'
export { createStandin, type StandinInfo, type StandinOptions } from './standin/index.js'
