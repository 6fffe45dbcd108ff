/** Prometheus and Grafana beside the server: their files fit together, and fit the server. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseSize } from '../../lib/common/units.js'
import { createServer, SERVER_OPTIONS, type Server } from '../../lib/exports/server.js'
import { Embedder } from '../../lib/index.js'
import { root } from '../helpers/child.js'
import { standinPath } from '../helpers/standins.js'
import { read, readYaml, stages } from './files.js'

interface Service {
  image?: string
  build?: { context: string; target: string }
  environment?: Record<string, string>
  ports?: string[]
  volumes?: string[]
  depends_on?: string[]
  cpus?: string
  mem_limit?: string
}

const compose = readYaml('docker/compose.yaml') as {
  services: Record<string, Service>
  volumes: Record<string, unknown>
}

interface Panel {
  title: string
  type: string
  gridPos: { x: number; y: number; w: number; h: number }
  datasource?: { uid: string }
  targets?: { expr: string; datasource: { uid: string } }[]
}

const dashboard = JSON.parse(read('docker/grafana/dashboards/bge-m3.json')) as {
  uid: string
  panels: Panel[]
  templating: { list: { definition: string; datasource: { uid: string } }[] }
}
const charts = dashboard.panels.filter(({ type }) => type !== 'row')

/** Metrics and labels that a PromQL expression names. */
function namesIn(expression: string): { metrics: string[]; labels: string[] } {
  const bare = expression.replace(/"[^"]*"/g, '""')
  const metrics = [...bare.matchAll(/\b(?:bge_m3|process)_\w+/g)].map(([name]) => name)
  const matchers = [...bare.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*""/g)].map(([, name]) => name)
  const groups = [...bare.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(/,\s*/),
  )
  return { metrics, labels: [...matchers, ...groups] as string[] }
}

describe('the dashboard', () => {
  let server: Server
  let embedder: Embedder
  let metrics: string

  beforeAll(async () => {
    embedder = await Embedder.load({ model: await standinPath({ size: 'tiny' }), threads: 1 })
    server = await createServer({ embedder, logLevel: 'silent', host: '127.0.0.1', port: 0 })
    const { url } = await server.start()
    const response = await fetch(`${url}/v1/embed_all`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: ['a text'] }),
    })
    await response.text()
    metrics = await (await fetch(`${url}/metrics`)).text()
  })

  afterAll(async () => {
    await server?.close()
    await embedder?.dispose()
  })

  it('asks for metrics and labels that the server has', () => {
    const expressions = [
      ...charts.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
      ...dashboard.templating.list.map(({ definition }) => definition),
    ]
    expect(expressions.length).toBeGreaterThan(30)
    expectKnown(expressions)
    expect(isExported('bge_m3_no_such_thing')).toBe(false)
  })

  it('and so do the alert rules', () => {
    const { groups } = readYaml('docker/prometheus/alerts.yml') as {
      groups: { rules: { alert: string; expr: string; labels: object; annotations: object }[] }[]
    }
    const rules = groups.flatMap((group) => group.rules)
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
    for (const rule of rules) {
      expect(rule).toMatchObject({
        labels: { severity: expect.stringMatching(/^(critical|warning)$/) },
        annotations: { summary: expect.any(String) },
      })
    }
    expectKnown(rules.map(({ expr }) => expr).filter((expr) => !/^up\b/.test(expr)))
  })

  function expectKnown(expressions: readonly string[]): void {
    // Prometheus adds these
    const labels = new Set(['instance', 'job'])
    for (const [, list = ''] of metrics.matchAll(/^\w+\{([^}]*)\}/gm)) {
      for (const [, name = ''] of list.matchAll(/(\w+)="/g)) labels.add(name)
    }
    for (const expression of expressions) {
      const named = namesIn(expression)
      expect(named.metrics.length, expression).toBeGreaterThan(0)
      for (const name of named.metrics)
        expect(isExported(name), `${name} of ${expression}`).toBe(true)
      for (const name of named.labels) expect(labels, expression).toContain(name)
    }
  }

  /** A histogram gives three series. */
  function isExported(name: string): boolean {
    const type = (metric: string) => new RegExp(`^# TYPE ${metric} (\\w+)$`, 'm').exec(metrics)?.[1]
    const base = name.replace(/_(bucket|sum|count)$/, '')
    return type(name) !== undefined || (base !== name && type(base) === 'histogram')
  }

  it('shows every metric of the server, but for what it shows in another form', () => {
    const shown = new Set(
      charts.flatMap(({ targets = [] }) => targets.flatMap((t) => namesIn(t.expr).metrics)),
    )
    const all = [...metrics.matchAll(/^# TYPE (bge_m3_\w+) /gm)].map(([, name]) => name as string)
    const unseen = all.filter(
      (name) => ![name, `${name}_bucket`, `${name}_sum`].some((n) => shown.has(n)),
    )
    expect(unseen.sort()).toEqual(['bge_m3_cache_entries', 'bge_m3_drift_checks_total'])
  })

  it('takes rates of counters only, and quantiles of histograms only', () => {
    for (const { targets = [] } of charts) {
      for (const { expr } of targets) {
        for (const [, name = ''] of expr.matchAll(/\brate\((\w+)/g)) {
          expect(name, expr).toMatch(/_(total|bucket|sum|count)$/)
        }
        if (expr.includes('histogram_quantile'))
          expect(expr).toMatch(/by \(le\) \(rate\(\w+_bucket/)
      }
    }
  })

  it('has panels that do not lie on each other, and one data source, which is provisioned', () => {
    const sources = readYaml('docker/grafana/provisioning/datasources/prometheus.yaml') as {
      datasources: { uid: string; url: string }[]
    }
    const [{ uid, url } = { uid: '', url: '' }] = sources.datasources
    expect(url).toBe('http://prometheus:9090')
    const used = new Set<string>()
    for (const [i, panel] of dashboard.panels.entries()) {
      const a = panel.gridPos
      expect(a.x + a.w).toBeLessThanOrEqual(24)
      for (const { gridPos: b, title } of dashboard.panels.slice(i + 1)) {
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y
        expect(apart, `${panel.title} and ${title}`).toBe(true)
      }
      if (panel.datasource) used.add(panel.datasource.uid)
      for (const target of panel.targets ?? []) used.add(target.datasource.uid)
    }
    expect([...used]).toEqual([uid])
  })
})

describe('compose.yaml', () => {
  const { server, prometheus, grafana } = compose.services as Record<
    'server' | 'prometheus' | 'grafana',
    Service
  >

  it('builds a stage that there is, and pins the other images', () => {
    expect(stages().map(({ name }) => name)).toContain(server.build?.target)
    expect(existsSync(join(root, 'docker', server.build?.context ?? '', 'Dockerfile'))).toBe(true)
    for (const { image } of [prometheus, grafana]) expect(image).toMatch(/:v?\d+\.\d+\.\d+$/)
  })

  it('gives the container the processors that it has threads for, and more memory than it may use', () => {
    const { BGE_M3_THREADS, BGE_M3_MEMORY_LIMIT } = server.environment as Record<string, string>
    const fallback = (value = '') => /^\$\{\w+:-(.+)\}$/.exec(value)?.[1] as string
    expect(server.cpus).toBe(BGE_M3_THREADS)
    expect(Number(fallback(BGE_M3_THREADS))).toBeGreaterThan(0)
    // Docker's g is 2^30; beside the engine there are bodies and answers on their way, and Node itself
    const container = 2 ** 30 * Number(fallback(server.mem_limit).replace(/g$/, ''))
    const engine = parseSize(fallback(BGE_M3_MEMORY_LIMIT)) as number
    const { requestMemory } = SERVER_OPTIONS
    expect(container).toBeGreaterThan(engine + 2 * requestMemory.default + 500e6)
  })

  it('mounts files that there are, and volumes that it declares', () => {
    const used = new Set<string>()
    for (const service of Object.values(compose.services)) {
      for (const [source = ''] of (service.volumes ?? []).map((volume) => volume.split(':'))) {
        if (source.startsWith('.'))
          expect(existsSync(join(root, 'docker', source)), source).toBe(true)
        else used.add(source)
      }
    }
    expect([...used].sort()).toEqual(Object.keys(compose.volumes).sort())
  })

  it('sets only options that the server has, and opens no port to other machines', () => {
    const variables = Object.keys(SERVER_OPTIONS).map(
      (name) => `BGE_M3_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`,
    )
    for (const name of Object.keys(server.environment ?? {})) {
      // both are also the container's limits
      expect([...variables, 'BGE_M3_THREADS', 'BGE_M3_MEMORY_LIMIT']).toContain(name)
    }
    for (const { ports = [] } of Object.values(compose.services)) {
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/)
    }
  })

  it('lets Prometheus find the server, and Grafana its files', () => {
    const config = readYaml('docker/prometheus/prometheus.yml') as {
      scrape_configs: { static_configs: { targets: string[] }[] }[]
    }
    expect(config.scrape_configs[0]?.static_configs[0]?.targets).toEqual([
      `server:${SERVER_OPTIONS.port.default}`,
    ])
    const provider = readYaml('docker/grafana/provisioning/dashboards/bge-m3.yaml') as {
      providers: { options: { path: string } }[]
    }
    const path = provider.providers[0]?.options.path
    expect(grafana.volumes).toContain(`./grafana/dashboards:${path}:ro`)
    expect(grafana.environment?.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH).toBe(
      `${path}/bge-m3.json`,
    )
  })
})
