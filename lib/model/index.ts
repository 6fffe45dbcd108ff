/** `bge-m3-node/model`: finding, fetching, checking and making model files. */
export { findModel } from './locations.js'
