import type { IncomingMessage } from 'node:http'

/** Read ahead of the consumer by no more than about this. */
const MAX_QUEUED_BYTES = 1 << 20

/**
 * The body of an answer, with every byte that arrived before the connection broke. (Iterating over
 * the message itself loses what is still in its buffer then, so that a line that breaks every few
 * kilobytes would never get on.) Must be made in the `response` event, before data can arrive.
 */
export class Body {
  private queue: Buffer[] = []
  private queued = 0
  private isOver = false
  private failure: unknown
  private wake: (() => void) | undefined

  constructor(private readonly message: IncomingMessage) {
    message.on('data', (chunk: Buffer) => {
      this.queue.push(chunk)
      this.queued += chunk.length
      if (this.queued >= MAX_QUEUED_BYTES) message.pause()
      this.wake?.()
    })
    message.on('end', () => this.finish(undefined))
    message.on('error', (error) => this.finish(error))
    message.on('close', () => this.finish(message.complete ? undefined : new Error('closed')))
  }

  /** All that has arrived, waiting for something if there is nothing yet; `undefined` at the end. */
  async next(): Promise<Buffer | undefined> {
    while (this.queue.length === 0) {
      if (this.failure !== undefined) throw this.failure
      if (this.isOver) return undefined
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
    const chunk = this.queue.length === 1 ? this.queue[0] : Buffer.concat(this.queue)
    this.queue = []
    this.queued = 0
    this.message.resume()
    return chunk
  }

  private finish(failure: unknown): void {
    if (this.isOver) return
    this.isOver = true
    this.failure = failure
    this.wake?.()
  }
}
