// Tables of a race.

/** @param page for the documentation: with a heading and how to repeat it */
export function asMarkdown(result, { page = false } = {}) {
  const { machine, engines, threads, rounds, model } = result
  const [ours, ...others] = engines
  const lines = []
  if (page) {
    lines.push(
      '# Benchmarks',
      '',
      'Written by `npm run bench -- --report`; do not edit. The peers come from `bench/peers`',
      '(`npm install --ignore-scripts` there). ONNX Runtime runs a bge-m3-shaped int8 model with one',
      'activation scale for a whole tensor, its texts as ready token ids; node-llama-cpp runs the same GGUF',
      'as we do. Every engine has a process of its own, and they take turns.',
      '',
    )
  }
  const isa = ours.isa ? `, ${ours.isa}` : ''
  lines.push(
    `${machine.cpu}, ${machine.cores} cores${isa}; ${machine.system}, Node ${machine.node}; ${model}, ` +
      `${threads} threads, ${rounds} rounds; ${result.date.slice(0, 10)}.`,
    '',
    'Tokens a second, best (median):',
    '',
    ...table(
      ['texts x tokens', ...engines.map(({ id }) => id)],
      ours.shapes.map(({ shape }) => [
        shape,
        ...engines.map((engine) => {
          const found = at(engine, shape)
          return found ? `${round(found.best)} (${round(found.median)})` : ''
        }),
      ]),
    ),
    '',
  )
  const raced = ours.shapes.filter(({ shape }) => others.some((other) => at(other, shape)))
  if (raced.length > 0 && others.length > 0) {
    lines.push(
      'Ours to theirs, best with best (median with median):',
      '',
      ...table(
        ['texts x tokens', ...others.map(({ id }) => id)],
        raced.map(({ shape, best, median }) => [
          shape,
          ...others.map((other) => {
            const found = at(other, shape)
            if (!found) return ''
            return `${(best / found.best).toFixed(2)} x (${(median / found.median).toFixed(2)} x)`
          }),
        ]),
      ),
      '',
    )
  }
  lines.push(
    ...table(
      ['', ...engines.map(({ id }) => id)],
      [
        [
          'from nothing to ready, seconds',
          ...engines.map(({ openMs }) => (openMs / 1000).toFixed(2)),
        ],
        ['resident memory after it, MB', ...engines.map(({ rss }) => round(rss / 1e6))],
        ['peak resident memory, MB', ...engines.map(({ peak }) => round(peak / 1e6))],
      ],
    ),
    '',
  )
  return `${lines.join('\n')}\n`
}

/** Changes of our own speed since an earlier run; best with best. */
export function againstBaseline(result, baseline) {
  const [now] = result.engines
  const [then] = baseline.engines
  const rows = now.shapes.flatMap(({ shape, best, median }) => {
    const old = at(then, shape)
    if (!old) return []
    return [
      [shape, round(old.best), round(best), change(best / old.best), change(median / old.median)],
    ]
  })
  return [
    `Against ${baseline.date.slice(0, 10)} (${baseline.machine.cpu}):`,
    '',
    ...table(['texts x tokens', 'best then', 'best now', 'best', 'median'], rows),
    '',
    '',
  ].join('\n')
}

const at = (engine, shape) => engine.shapes.find((found) => found.shape === shape)
const round = (value) => Math.round(value).toLocaleString('en')
const change = (ratio) => `${ratio >= 1 ? '+' : ''}${(100 * (ratio - 1)).toFixed(1)} %`

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
}
