/** The outside: an embedder whose work is done in another thread or process. */

import { abortReason, throwIfAborted } from '../../common/abort.js'
import { InvalidInputError } from '../../common/errors.js'
import {
  checkFunction,
  checkRange,
  checkSignal,
  namesOf,
  refuseUnknown,
  shown,
} from '../../common/given.js'
import { duration } from '../../options/kinds.js'
import { checkPort } from './ports.js'
import { METHODS } from './protocol.js'
import { type PortSource, Remote } from './remote.js'
import { RemoteStream } from './stream.js'
import type { ConnectedEmbedder, ConnectOptions, EmbedderPort } from './types.js'

const NAMES = namesOf<ConnectOptions>({
  onProgress: 1,
  retry: 1,
  startTimeout: 1,
  signal: 1,
  logger: 1,
})

const START_TIMEOUT_MS = 60_000

/**
 * Connects to an embedder that `serveEmbedder` serves at the other end of a port. Resolves when its model is loaded.
 *
 * When the worker ends, calls under way are made once more (`retry`) by a new one, if `start` is a function: nothing
 * is lost then but streams, which reject with `WorkerError`. With a port alone calls reject, and all later ones.
 *
 * @param start a `Worker`, a forked process, a utility process, a `MessagePort`; or a function that starts one
 * @throws what `Embedder.load` throws there; WorkerError when the worker ends, TimeoutError when it does not answer;
 *   InvalidInputError for what is no port, and for options
 * @example
 * const m3 = await connectEmbedder(() => new Worker(new URL('./embedder.js', import.meta.url)))
 * const { dense } = await m3.embed('What is BGE M3?')
 * await m3.close()
 */
export async function connectEmbedder(
  start: EmbedderPort | (() => EmbedderPort | PromiseLike<EmbedderPort>),
  options: ConnectOptions = {},
): Promise<ConnectedEmbedder> {
  if (typeof start !== 'function') checkPort(start)
  const { signal, ...how } = checked(options)
  throwIfAborted(signal)
  const remote = new Remote(start as PortSource, how)
  const onAbort = () => void remote.close()
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await remote.connect()
  } catch (error) {
    await remote.close()
    throw signal?.aborted ? abortReason(signal) : error
  } finally {
    signal?.removeEventListener?.('abort', onAbort)
  }
  return embedderOver(remote)
}

function checked(options: ConnectOptions) {
  refuseUnknown(options, NAMES, 'connectEmbedder')
  const { onProgress, retry = 1, startTimeout = START_TIMEOUT_MS, signal, logger } = options
  checkFunction('onProgress', onProgress)
  checkSignal(signal)
  checkRange('retry', retry, 0, 100)
  const kind = duration(1)
  const milliseconds = kind.check(startTimeout)
  if (milliseconds === undefined) {
    throw new InvalidInputError(
      `The option \`startTimeout\` must be ${kind.allowed}, not ${shown(startTimeout)}.`,
    )
  }
  return { onProgress, retry, startTimeout: milliseconds, signal, logger }
}

/** Every method is a message. What it takes and gives is `Embedder`'s, whose types stand for it. */
function embedderOver(remote: Remote): ConnectedEmbedder {
  const close = () => remote.close()
  const methods = [...METHODS.keys()].map((method) => [
    method,
    (...args: unknown[]) => remote.invoke(method, args),
  ])
  const embedder = {
    ...Object.fromEntries(methods),
    embedStream: (source: never, options?: unknown) => new RemoteStream(remote, source, options),
    close,
    dispose: close,
    [Symbol.asyncDispose]: close,
  }
  return Object.defineProperty(embedder, 'info', {
    enumerable: true,
    get() {
      if (remote.info) return remote.info
      throw new InvalidInputError('The model is not loaded yet: call warmup() first.')
    },
  }) as ConnectedEmbedder
}
