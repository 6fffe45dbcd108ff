/** What a section of a report consists of. */

import type { DocumentSection } from '../html/document.js'
import type { ChartSpec } from '../shared/data.js'

export interface Section extends DocumentSection {
  charts: ChartSpec[]
}
