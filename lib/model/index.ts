/** `bge-m3-node/model`: finding, fetching, checking and making model files. */
export {
  CONVERT_TYPES,
  type ConvertOptions,
  type ConvertResult,
  type ConvertType,
  convertCheckpoint,
} from './convert/index.js'
export type { DownloadProgress, PulledFile, PullOptions, PullResult } from './download/options.js'
export { pullModel } from './download/pull.js'
export { type FindHeadsOptions, type Heads, loadHeads, readHeads } from './heads.js'
export { inspectModel, type ModelInspection } from './inspect.js'
export { type VerifyReport, verifyModel } from './integrity.js'
export { cacheDir, findModel } from './locations.js'
export { createStandin, type StandinInfo, type StandinOptions } from './standin/index.js'
