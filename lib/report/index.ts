/** Reports as HTML files, as `bge-m3-node/report`. */

export {
  type LiveProgress,
  type LiveProgressOptions,
  liveProgress,
  type ShowBundle,
} from './live-progress.js'
export {
  type Displayable,
  display,
  JUPYTER_DISPLAY,
  type MimeBundle,
  mimeBundle,
  type Shown,
  show,
} from './notebook.js'
export { createReport, type ReportOptions, type ReportStage } from './report.js'
export { type RunReading, type RunSample, readEvaluation, readRun } from './run.js'
export { readVectors } from './vectors/read.js'
export type { Scalar, VectorTable } from './vectors/table.js'
export { type TableItem, tableOf } from './vectors/table-of.js'
export { joinTexts } from './vectors/texts.js'
