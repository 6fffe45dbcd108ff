/** What a section of a report consists of. */

import type { ChartSpec } from '../data.js'
import type { DocumentSection } from '../html/document.js'

export interface Section extends DocumentSection {
  charts: ChartSpec[]
}
