/** First come, first served, into a room that holds only so much. */
import { type AbortSignalLike, abortReason, throwIfAborted } from './abort.js'

export interface Room<Needs> {
  /** Whether there is room for so much now. */
  hasRoom(needs: Needs): boolean
  /** Takes it. */
  take(needs: Needs): void
}

interface Waiter<Needs> {
  needs: Needs
  enter(): void
}

/** The queue before a room. A large one in front is not passed by small ones for ever. */
export class Admission<Needs> {
  readonly #room: Room<Needs>
  #waiters: Waiter<Needs>[] = []

  constructor(room: Room<Needs>) {
    this.#room = room
  }

  get waiting(): number {
    return this.#waiters.length
  }

  /** Resolves when the needs are taken. @throws the signal's reason when it aborts first */
  async enter(needs: Needs, signal?: AbortSignalLike): Promise<void> {
    throwIfAborted(signal)
    if (this.#waiters.length > 0 || !this.#room.hasRoom(needs)) await this.#wait(needs, signal)
    else this.#room.take(needs)
  }

  /** Lets in who fits, now that something was given back. */
  letIn(): void {
    for (let first = this.#waiters[0]; first && this.#room.hasRoom(first.needs); ) {
      this.#waiters.shift()
      first.enter()
      first = this.#waiters[0]
    }
  }

  #wait(needs: Needs, signal: AbortSignalLike | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter)
        reject(abortReason(signal))
        this.letIn() // it may have kept smaller ones from entering
      }
      const waiter: Waiter<Needs> = {
        needs,
        enter: () => {
          signal?.removeEventListener?.('abort', onAbort)
          this.#room.take(needs)
          resolve()
        },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.push(waiter)
    })
  }
}
