/** Reports as HTML files, as `bge-m3-node/report`. */

export {
  type LiveProgress,
  type LiveProgressOptions,
  liveProgress,
  type ShowBundle,
} from '../apps/report/live-progress.js'
export {
  type Displayable,
  display,
  JUPYTER_DISPLAY,
  type MimeBundle,
  mimeBundle,
  type Shown,
  show,
} from '../apps/report/notebook.js'
export { createReport, type ReportOptions, type ReportStage } from '../apps/report/report.js'
export {
  type NamedRun,
  type RunReading,
  type RunSample,
  readEvaluation,
  readRun,
} from '../apps/report/shared/run.js'
export { readVectors } from '../apps/report/vectors/read.js'
export type { Scalar, VectorTable } from '../apps/report/vectors/table.js'
export { type TableItem, tableOf } from '../apps/report/vectors/table-of.js'
export { joinTexts } from '../apps/report/vectors/texts.js'
