/** `bge-m3-node/model`: finding, fetching, checking and making model files. */
export {
  CONVERT_TYPES,
  type ConvertOptions,
  type ConvertResult,
  type ConvertType,
  convertCheckpoint,
} from './convert/index.js'
export { type FindHeadsOptions, type Heads, loadHeads, readHeads } from './heads.js'
export { findModel } from './locations.js'
