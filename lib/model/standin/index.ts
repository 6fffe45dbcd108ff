export {
  createStandin,
  STANDIN_KEY,
  STANDIN_VERSION,
  type StandinInfo,
  type StandinOptions,
} from './create.js'
export { HEAD_KEYS } from './heads.js'
export {
  type ModelShape,
  STANDIN_ARCHS,
  STANDIN_SIZES,
  STANDIN_TYPES,
  type StandinArch,
  type StandinSize,
  type StandinType,
  shapeOf,
} from './shapes.js'
export { findVocab } from './vocabulary.js'
