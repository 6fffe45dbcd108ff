/** Charts by ECharts: a specification to its options. SVG, so that they print and zoom sharply. */

import { BarChart, CustomChart, LineChart } from 'echarts/charts'
import { GridComponent, LegendComponent, TooltipComponent } from 'echarts/components'
import * as echarts from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import type {
  BarsSpec,
  ChartSpec,
  HistogramSpec,
  LineSpec,
  NumberFormat,
} from '../../shared/data.js'
import { formatted, number, tick } from '../../shared/format.js'
import { onTheme, property } from './dom.js'

echarts.use([
  BarChart,
  LineChart,
  CustomChart,
  GridComponent,
  LegendComponent,
  TooltipComponent,
  SVGRenderer,
])

type Option = echarts.EChartsCoreOption

/** Draws each chart into its element, and again when the theme or the width changes. */
export function drawCharts(specs: readonly ChartSpec[]): Map<string, echarts.ECharts> {
  const charts = new Map<string, echarts.ECharts>()
  const specOf = new Map<Element, ChartSpec>()
  const resize = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const spec = specOf.get(target)
      const chart = echarts.getInstanceByDom(target as HTMLElement)
      if (!spec || !chart) continue
      chart.resize()
      chart.setOption(optionOf(spec, chart.getWidth()))
    }
  })
  for (const spec of specs) {
    const element = document.querySelector<HTMLElement>(`#chart-${spec.id} .plot`)
    if (!element) continue
    const chart = echarts.init(element, null, { renderer: 'svg' })
    chart.setOption(optionOf(spec, chart.getWidth()))
    charts.set(spec.id, chart)
    specOf.set(element, spec)
    resize.observe(element)
  }
  onTheme(() => {
    for (const spec of specs) {
      const chart = charts.get(spec.id)
      chart?.setOption(optionOf(spec, chart.getWidth()), true)
    }
  })
  return charts
}

/** @param width of the element, in pixels */
function optionOf(spec: ChartSpec, width: number): Option {
  switch (spec.kind) {
    case 'histogram':
      return histogram(spec)
    case 'line':
      return line(spec)
    case 'bars':
      return bars(spec, width)
  }
}

function histogram({ from, to, counts, xLabel, yLabel }: HistogramSpec): Option {
  const width = (to - from) / counts.length
  const starts = counts.map((_, i) => from + i * width)
  return {
    ...base(),
    // a category per bin: bars as wide as their bins, and labels at their starts
    xAxis: {
      ...axis(xLabel),
      type: 'category',
      data: starts.map((start) => tick(start, width)),
      boundaryGap: true,
    },
    yAxis: { ...axis(yLabel, 'number', 'y'), type: 'value' },
    tooltip: tooltip(([item]) => {
      const start = starts[item?.dataIndex ?? 0] ?? 0
      return `${tick(start, width)} to ${tick(start + width, width)}\n${number(Number(item?.value))}`
    }),
    series: [{ type: 'bar', data: counts, barCategoryGap: '4%' }],
  }
}

function line({ x, values, xLabel, yLabel, xFormat, yFormat }: LineSpec): Option {
  return {
    ...base(),
    xAxis: {
      ...timeAxis(axis(xLabel, xFormat)),
      type: 'value',
      min: 0,
      max: 'dataMax',
      splitNumber: 4,
    },
    yAxis: { ...axis(yLabel, yFormat, 'y'), type: 'value', min: 0 },
    tooltip: tooltip(([item]) => {
      const [time = 0, value = Number.NaN] = (item?.value ?? []) as number[]
      return `at ${formatted(time, xFormat)}\n${formatted(value, yFormat)}`
    }),
    series: [
      {
        type: 'line',
        data: values.map((value, i) => [x[i], value]),
        showSymbol: false,
        sampling: 'lttb',
        lineStyle: { width: 2 },
        areaStyle: { opacity: 0.12 },
      },
    ],
  }
}

/** Said to the bars and to the intervals over them alike, so that they line up. */
const BAR_LAYOUT = { barMaxWidth: 36, barGap: '10%', barCategoryGap: '25%' }

function bars(spec: BarsSpec, width: number): Option {
  const { categories, series, format, max, xLabel, yLabel } = spec
  const names = { ...axis(xLabel), type: 'category' as const, data: categories }
  if (series.length > 1) {
    // every group has a name, aslant where there is no room
    const rotate = width < 90 * categories.length ? 35 : 0
    Object.assign(names.axisLabel, { interval: 0, hideOverlap: false, rotate })
  }
  const label = {
    show: series.length === 1 && categories.length <= 6,
    position: 'top',
    color: property('--text'),
    formatter: (item: { value: unknown }) => formatted(Number(item.value), format),
  }
  return {
    ...base(series.map(({ name }) => name)),
    xAxis: names,
    yAxis: {
      ...axis(yLabel, format, 'y'),
      type: 'value',
      min: 0,
      ...(max !== undefined && { max }),
    },
    tooltip: tooltip((at) => {
      const shown = at.filter((item) => item.seriesType === 'bar')
      const index = at[0]?.dataIndex ?? 0
      const lines = shown.map((item) => {
        const interval = series[item.seriesIndex ?? 0]?.intervals?.[index]
        const range = interval
          ? ` (${interval.map((end) => formatted(end, format)).join(' to ')})`
          : ''
        return `${named(item.seriesName)}${formatted(Number(item.value), format)}${range}`
      })
      return [categories[index], ...lines].join('\n')
    }),
    series: [
      ...series.map(({ name, values }) => ({
        type: 'bar',
        name,
        data: values,
        label,
        ...BAR_LAYOUT,
      })),
      ...series.flatMap(({ intervals }, i) =>
        intervals ? [errorBars(intervals, i, series.length)] : [],
      ),
    ],
  }
}

/** Upright intervals over the bars of one series. */
function errorBars(intervals: readonly ([number, number] | null)[], index: number, count: number) {
  return {
    type: 'custom',
    name: `interval ${index}`,
    silent: true,
    z: 5,
    data: intervals.flatMap((ends, i) => (ends ? [[i, ...ends]] : [])),
    encode: { x: 0, y: [1, 2] },
    renderItem(_: unknown, api: CustomApi) {
      const places = api.barLayout({ ...BAR_LAYOUT, count })
      const offset = places[index]?.offsetCenter ?? 0
      const [x = 0, low = 0] = api.coord([api.value(0), api.value(1)])
      const [, high = 0] = api.coord([api.value(0), api.value(2)])
      const at = x + offset
      const stroke = (x1: number, y1: number, x2: number, y2: number) => ({
        type: 'line',
        shape: { x1, y1, x2, y2 },
        style: { stroke: property('--text'), lineWidth: 1.5 },
      })
      return {
        type: 'group',
        children: [
          stroke(at, low, at, high),
          stroke(at - 4, low, at + 4, low),
          stroke(at - 4, high, at + 4, high),
        ],
      }
    },
  }
}

interface CustomApi {
  value(dimension: number): number
  coord(point: [number, number]): number[]
  barLayout(options: typeof BAR_LAYOUT & { count: number }): { offsetCenter: number }[]
}

interface TooltipItem {
  dataIndex: number
  seriesIndex?: number
  seriesName?: string
  seriesType?: string
  value: unknown
}

const COLOURS = ['--series-1', '--series-2', '--series-3', '--series-4', '--series-5']

function base(names: readonly string[] = []): Option {
  const isMany = names.length > 1
  return {
    animation: false,
    color: COLOURS.map(property),
    textStyle: { fontFamily: 'inherit', color: property('--text') },
    grid: { left: 12, right: 24, top: isMany ? 56 : 28, bottom: 30, containLabel: true },
    ...(isMany && {
      legend: {
        top: 0,
        left: 0,
        data: [...names],
        itemGap: 18,
        textStyle: { color: property('--text') },
        inactiveColor: property('--muted'),
      },
    }),
  }
}

function axis(name: string, format?: NumberFormat, which: 'x' | 'y' = 'x') {
  const isX = which === 'x'
  return {
    name,
    nameLocation: isX ? 'middle' : 'end',
    nameGap: isX ? 28 : 10,
    nameTextStyle: { color: property('--muted'), align: isX ? 'center' : 'left' },
    axisLabel: {
      color: property('--muted'),
      hideOverlap: true,
      ...(format && { formatter: (value: number) => formatted(value, format) }),
    },
    axisLine: { lineStyle: { color: property('--line') } },
    axisTick: { show: false },
    splitLine: { show: !isX, lineStyle: { color: property('--line') } },
  }
}

/** It ends with the data, at an odd number that would stand too close to the one before. */
function timeAxis<T extends { axisLabel: object }>(axis: T) {
  return { ...axis, axisLabel: { ...axis.axisLabel, showMaxLabel: false } }
}

/** Drawn within the chart: a tooltip of HTML needs inline styles, which the page forbids. */
function tooltip(text: (items: TooltipItem[]) => string) {
  return {
    trigger: 'axis',
    renderMode: 'richText',
    confine: true,
    backgroundColor: property('--raised'),
    borderColor: property('--line'),
    textStyle: { color: property('--text'), fontSize: 13 },
    axisPointer: { type: 'shadow' },
    formatter: (items: unknown) => text(Array.isArray(items) ? items : [items]),
  }
}

function named(name: string | undefined): string {
  return name ? `${name}: ` : ''
}
