/** Workers that are killed, that cannot start, that do not answer, and ports on which others speak. */
import { type ChildProcess, fork } from 'node:child_process'
import path from 'node:path'
import { MessageChannel, Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectEmbedder, type EmbedderPort, serveEmbedder } from '../../../lib/exports/worker.js'
import { Embedder, ModelNotFoundError, WorkerError } from '../../../lib/index.js'
import type { FakeUtilityProcess } from '../../electron/fake-ports.mjs'
import { runModule } from '../../helpers/child.js'
import { tinyPath } from '../../helpers/standins.js'
import { until } from '../../helpers/until.js'
import { child, KINDS, thread, utility } from './starts.js'

let model: string
beforeAll(async () => {
  model = await tinyPath()
})

const caught = (call: PromiseLike<unknown>) =>
  Promise.resolve(call).then(
    () => undefined,
    (error: unknown) => error,
  )
const logger = { warn() {} }
const texts = (count: number) =>
  Array.from({ length: count }, (_, i) => `${i} ${'and some more words '.repeat(20)}`)

/** Ends a worker as a crash does. */
async function crash(port: EmbedderPort): Promise<void> {
  if (port instanceof Worker) await port.terminate()
  else process.kill((port as ChildProcess | FakeUtilityProcess).pid as number, 'SIGKILL')
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe.each(Object.entries(KINDS))('%s that is killed', (_, start) => {
  it('is started again, and what was under way is made once more', async () => {
    const started: EmbedderPort[] = []
    const lines: string[] = []
    const there = await connectEmbedder(
      () => {
        const port = start({ model, cache: false })
        started.push(port)
        return port
      },
      { logger: { warn: (line) => void lines.push(line) } },
    )
    let progress = 0
    const bulk = there.embed(texts(600), { onProgress: () => void progress++ })
    const calls = Array.from({ length: 50 }, (_, i) => there.embed(`Call ${i}`))
    await until(() => progress > 0)
    await crash(started[0] as EmbedderPort)
    // made while there is none
    const later = there.embed('Later')
    expect(await bulk).toHaveLength(600)
    expect(await Promise.all(calls)).toHaveLength(50)
    expect(await later).toHaveProperty('dense')
    expect(started).toHaveLength(2)
    expect(lines.join()).toMatch(/has ended: .*The next call starts it again/)
    // and idle
    await crash(started[1] as EmbedderPort)
    await until(() => lines.length === 2)
    expect(await there.countTokens('a text')).toBeGreaterThan(2)
    await there.close()
    expect(started).toHaveLength(3)
  })

  it('again and again costs the calls that were there, and no more starts than that', async () => {
    let starts = 0
    const ports: EmbedderPort[] = []
    const there = await connectEmbedder(
      () => {
        const port = start({ model, cache: false })
        if (starts++ > 0) port.on('message', () => void crash(port))
        ports.push(port)
        return port
      },
      { logger },
    )
    const call = caught(there.embed(texts(2000)))
    await crash(ports[0] as EmbedderPort)
    expect(await call).toBeInstanceOf(WorkerError)
    expect(starts).toBeLessThanOrEqual(3)
    await there.close()
  })

  it('rejects calls and streams without a function that starts it, or with `retry: 0`', async () => {
    const port = start({ model, cache: false })
    const there = await connectEmbedder(port)
    async function* endless() {
      for (let i = 0; ; i++) yield `Endless ${i}`
    }
    const stream = there.embedStream(endless())
    await stream.next()
    const calls = [there.embed(texts(2000)), stream.next(), there.stats()]
    await there.tokenize('the others are under way')
    await crash(port)
    const outcomes = await Promise.all(calls.map(caught))
    expect(outcomes[0]).toBeInstanceOf(WorkerError)
    // the item may have come before the end
    if (!outcomes[1]) expect(await caught(stream.next())).toMatchObject({ code: 'WORKER' })
    expect(await stream.next()).toEqual({ done: true, value: undefined })
    expect(await caught(there.embed('a'))).toMatchObject({ code: 'WORKER' })
    await there.close()

    const ports: EmbedderPort[] = []
    const once = await connectEmbedder(
      () => {
        ports.push(start({ model, cache: false }))
        return ports.at(-1) as EmbedderPort
      },
      { retry: 0, logger },
    )
    const open = once.embedStream(endless(), { maxInFlight: 2 })
    await open.next()
    const call = caught(once.embed(texts(2000)))
    await once.tokenize('the other is under way')
    await crash(ports[0] as EmbedderPort)
    expect(await call).toMatchObject({ code: 'WORKER' })
    expect(await once.embed('a')).toHaveProperty('dense')
    // a stream does not go on in another worker
    expect(await caught(open.next())).toMatchObject({ code: 'WORKER' })
    expect(await open.next()).toEqual({ done: true, value: undefined })
    await once.close()
  })

  it('ends with `close`, which rejects what is under way', async () => {
    const port = start({ model, cache: false })
    const exit = new Promise((resolve) => port.on('exit', resolve as () => void))
    const { pid } = port as ChildProcess
    const there = await connectEmbedder(port)
    const call = caught(there.embed(texts(2000)))
    await Promise.all([there.close(), there.close()])
    expect(await call).toMatchObject({ code: 'DISPOSED' })
    await exit
    if (pid) expect(isAlive(pid)).toBe(false)
    expect(await caught(there.embed('a'))).toMatchObject({ code: 'DISPOSED' })
    expect(await caught(there.embedStream(['a']).next())).toMatchObject({ code: 'DISPOSED' })
    expect(there.info.dimensions).toBe(64)
  })

  it('passes on why a model cannot be loaded, and ends', async () => {
    const ports: EmbedderPort[] = []
    const error = await caught(
      connectEmbedder(() => {
        ports.push(start({ model: '/no/such/model.gguf' }))
        return ports[0] as EmbedderPort
      }),
    )
    expect(error).toBeInstanceOf(ModelNotFoundError)
    const { pid } = ports[0] as ChildProcess
    if (pid) await until(() => !isAlive(pid))
  })
})

describe('what cannot start', () => {
  it('is a typed error', async () => {
    const silent = new Worker('setInterval(() => {}, 1000)', { eval: true })
    expect(await caught(connectEmbedder(silent, { startTimeout: 200 }))).toMatchObject({
      code: 'TIMEOUT',
    })
    const broken = () => new Worker('throw new Error("its own")', { eval: true })
    expect(await caught(connectEmbedder(broken))).toMatchObject({
      code: 'WORKER',
      message: "The embedder's worker has ended: code 1.",
      cause: { message: 'its own' },
    })
    const missing = fork('/no/such/file.mjs', { execPath: '/no/such/node' })
    expect(await caught(connectEmbedder(missing))).toMatchObject({ code: 'WORKER' })
    const over = thread({ model })
    await over.terminate()
    expect(await caught(connectEmbedder(over))).toMatchObject({ code: 'WORKER' })
    expect(await caught(connectEmbedder(child({ model }, 'json')))).toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining("serialization: 'advanced'"),
    })
    const why = new Error('own')
    const throws = () => {
      throw why
    }
    expect(await caught(connectEmbedder(throws))).toBe(why)
    for (const wrong of [null, undefined, {}, 'port', { on() {} }, () => 5]) {
      expect(await caught(connectEmbedder(wrong as never))).toMatchObject({ code: 'INVALID_INPUT' })
    }
    for (const wrong of [null, {}, 5]) {
      expect(await caught(serveEmbedder(wrong as never))).toMatchObject({ code: 'INVALID_INPUT' })
    }
    for (const wrong of [{ retry: -1 }, { startTimeout: 'soon' }, { retries: 1 }, { signal: 1 }]) {
      const port = new MessageChannel().port1
      expect(await caught(connectEmbedder(port, wrong as never))).toMatchObject({
        code: 'INVALID_INPUT',
      })
    }
  })

  it('is given up on an abort, and so is its worker', async () => {
    const why = new Error('no more')
    const controller = new AbortController()
    const port = utility({ model })
    const { pid } = port
    const connecting = caught(connectEmbedder(port, { signal: controller.signal }))
    controller.abort(why)
    expect(await connecting).toBe(why)
    await until(() => !isAlive(pid as number))
    expect(await caught(connectEmbedder(port, { signal: AbortSignal.abort(why) }))).toBe(why)
  })

  it('asks for weights when they are needed, with `lazy`', async () => {
    const there = await connectEmbedder(() => thread({ model, lazy: true }))
    expect(() => there.info).toThrow('warmup()')
    await there.warmup()
    expect(there.info.dimensions).toBe(64)
    await there.close()
  })
})

describe('the program', () => {
  it('ends though a worker is idle, and not while a call is under way', async () => {
    const options = JSON.stringify({ model })
    const dist = JSON.stringify(path.resolve('dist/worker.js'))
    const programs = path.join(import.meta.dirname, 'programs')
    const source = (start: string) => `
      import { connectEmbedder } from ${dist}
      import { fork } from 'node:child_process'
      import { Worker } from 'node:worker_threads'
      const m3 = await connectEmbedder(() => ${start})
      m3.embed('a text').then(({ dense }) => console.log(dense.length))
    `
    const starts = [
      `new Worker(${JSON.stringify(path.join(programs, 'thread.mjs'))}, { execArgv: [], workerData: { options: ${options} } })`,
      `fork(${JSON.stringify(path.join(programs, 'child.mjs'))}, [${JSON.stringify(options)}], { execArgv: [], serialization: 'advanced' })`,
    ]
    for (const start of starts) {
      const end = await runModule(source(start))
      expect(end).toMatchObject({ code: 0, timedOut: false, stdout: '64\n' })
    }
  })
})

describe('strangers on the port', () => {
  let here: Embedder
  beforeAll(async () => {
    here = await Embedder.load({ model })
  })
  afterAll(() => here.dispose())

  const types = [
    'hello',
    'call',
    'open',
    'abort',
    'give',
    'progress',
    'done',
    'error',
    'need',
    'drop',
    'ready',
    'here',
    'served',
    'loading',
    'x',
  ]
  const names = [
    'embed',
    'embedStream',
    'constructor',
    '__proto__',
    'next',
    'dispose',
    'stats',
    'swapModel',
    'embedChunks',
  ]
  const data = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
  })
  const id = fc.oneof(fc.nat(30), data)
  /** Some are ours in form, with fields that hold anything. */
  const message = fc.oneof(
    data,
    fc.record(
      {
        'bge-m3-node': fc.oneof(
          { weight: 9, arbitrary: fc.constant(1) },
          { weight: 1, arbitrary: data },
        ),
        type: fc.oneof(fc.constantFrom(...types), data),
        id,
        stream: id,
        method: fc.oneof(fc.constantFrom(...names), data),
        args: fc.oneof(fc.array(fc.oneof(fc.string(), data), { maxLength: 3 }), data),
        options: data,
        value: data,
        error: fc.oneof(
          fc.record({ fields: data, failures: fc.array(data), cause: data, message: data }),
          data,
        ),
        progress: data,
        done: fc.oneof(fc.boolean(), data),
        failed: fc.oneof(fc.boolean(), data),
      },
      { requiredKeys: ['bge-m3-node', 'type'] },
    ),
  )

  it('get nothing, and cost nothing, inside', async () => {
    const { port1, port2 } = new MessageChannel()
    void serveEmbedder(port2, { embedder: here })
    const there = await connectEmbedder(port1)
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 20 }), async (messages) => {
        for (const given of messages) {
          // `hello` with another probe is an end that is asked for
          if (Object(given).type !== 'hello') port1.postMessage(given)
        }
        expect(await there.countTokens('a text')).toBe(await here.countTokens('a text'))
      }),
      { numRuns: 100, seed: 1 },
    )
    await there.close()
    expect(await here.embed('a')).toHaveProperty('dense')
  })

  it('get nothing, and cost nothing but calls of the same number, outside', async () => {
    const { port1, port2 } = new MessageChannel()
    void serveEmbedder(port2, { embedder: here })
    const there = await connectEmbedder(port1, { logger })
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 20 }), async (messages) => {
        const calls = [there.embed('a text'), there.stats(), there.embedChunks(['a', 'b'])]
        for (const given of messages) port2.postMessage(given)
        for (const error of await Promise.all(calls.map(caught))) {
          if (error !== undefined) expect(error).toBeInstanceOf(Error)
        }
      }),
      { numRuns: 100, seed: 1 },
    )
    expect(await caught(there.embed(texts(3)))).toBeUndefined()
    await there.close()
  })

  it('who ask for what an embedder does not give are refused', async () => {
    const { port1, port2 } = new MessageChannel()
    void serveEmbedder(port2, { embedder: here })
    const answers: { id?: number; type?: string; error?: { message: string } }[] = []
    port1.on('message', (answer) => answers.push(answer))
    const calls = [
      'dispose',
      'swapModel',
      'constructor',
      'toString',
      'cache',
      'embedStream',
      'next',
    ]
    calls.forEach((method, id) => {
      port1.postMessage({ 'bge-m3-node': 1, type: 'call', id, method, args: [] })
    })
    await until(() => answers.filter(({ type }) => type === 'error').length === calls.length)
    expect(await here.embed('a')).toHaveProperty('dense')
    port1.close()
  })
})
