/** The script of a report. What it shows is also there without it, but for the map: as tables. */

import type { PageData } from '../../shared/data.js'
import { drawCharts } from './charts.js'
import { EmbeddingMap } from './map.js'

declare global {
  interface Window {
    /** For the console, and for tests: the charts by id, and the map. */
    report?: { charts: ReturnType<typeof drawCharts>; map: EmbeddingMap | undefined }
  }
}

const data = JSON.parse(document.getElementById('report-data')?.textContent ?? '{}') as PageData
const charts = drawCharts(data.charts)
const root = document.getElementById('map-root')
const map = data.map && root ? new EmbeddingMap(root, data.map) : undefined
window.report = { charts, map }
document.documentElement.dataset.ready = 'true'
