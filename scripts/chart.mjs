// docs/images/speed.svg, the chart of the README, from the table of docs/benchmarks.md.
//   node scripts/chart.mjs [--write]   without it: fails where the chart shows other numbers
import fs from 'node:fs'
import path from 'node:path'
import { root } from './paths.mjs'

const SHAPES = ['1x16', '32x16', '8x128', '1x512']
const ENGINES = [
  { column: 'ours', name: 'bge-m3-node', colour: '#0d8189' },
  { column: 'onnxruntime int8, fused', name: 'ONNX Runtime int8', colour: '#8a94a6' },
  { column: 'node-llama-cpp', name: 'node-llama-cpp', colour: '#c9ced8' },
]

const page = fs.readFileSync(path.join(root, 'docs', 'benchmarks.md'), 'utf8')
const machine = /^(.+?), (\d+ cores), (\w+);/m.exec(page) ?? []
const rows = page.split('\n').filter((line) => line.startsWith('|'))
const cells = (row) =>
  row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())
const head = cells(rows[0])
const speeds = SHAPES.map((shape) => {
  const row = cells(rows.find((line) => cells(line)[0] === shape))
  return ENGINES.map(({ column }) => Number(row[head.indexOf(column)].replace(/,| \(.*/g, '')))
})

const [WIDTH, LEFT, BAR, GAP, TOP] = [720, 96, 18, 18, 64]
const most = Math.max(...speeds.flat())
const group = ENGINES.length * BAR + GAP
const height = TOP + SHAPES.length * group + 8
const text = (x, y, content, more = '') => `<text x="${x}" y="${y}"${more}>${content}</text>`
const bars = SHAPES.flatMap((shape, i) => [
  text(
    LEFT - 12,
    TOP + i * group + (ENGINES.length * BAR) / 2 + 5,
    shape.replace('x', ' × '),
    ' text-anchor="end"',
  ),
  ...ENGINES.flatMap(({ colour }, j) => {
    const speed = speeds[i][j]
    const width = Math.round((speed / most) * (WIDTH - LEFT - 70))
    const y = TOP + i * group + j * BAR
    return [
      `<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR - 3}" rx="2" fill="${colour}"/>`,
      text(LEFT + width + 6, y + 12, speed.toLocaleString('en'), ' font-size="12"'),
    ]
  }),
])
let at = LEFT
const legend = ENGINES.flatMap(({ name, colour }) => {
  const x = at
  at += name.length * 8 + 36
  return [
    `<rect x="${x}" y="36" width="12" height="12" rx="2" fill="${colour}"/>`,
    text(x + 18, 47, name),
  ]
})
const title = `Tokens per second by texts × tokens, best of 11 rounds: ${machine[1]}, ${machine[2]}, ${machine[3]}`
// colours of the text that are read on white and on black
const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}" font-family="system-ui, sans-serif" font-size="14">
<style>text { fill: #3c4250 } @media (prefers-color-scheme: dark) { text { fill: #d7dbe3 } }</style>
${[text(LEFT, 20, title), ...legend, ...bars].join('\n')}
</svg>
`
const file = path.join(root, 'docs', 'images', 'speed.svg')
if (process.argv.includes('--write')) {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, svg)
} else if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== svg) {
  console.error(
    'docs/images/speed.svg does not follow docs/benchmarks.md: node scripts/chart.mjs --write',
  )
  process.exitCode = 1
}
