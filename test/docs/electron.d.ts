/**
 * The part of Electron's types that docs/electron.md uses, after its documentation: the package would bring a binary.
 * `on` has an overload for each event and no general one, as in electron.d.ts.
 */
declare module 'electron' {
  interface MessagePortMain {
    on(event: 'close', listener: () => void): this
    on(
      event: 'message',
      listener: (event: { data: unknown; ports: MessagePortMain[] }) => void,
    ): this
    postMessage(message: unknown, transfer?: MessagePortMain[]): void
    start(): void
    close(): void
  }
  interface UtilityProcess {
    on(
      event: 'error',
      listener: (type: 'FatalError', location: string, report: string) => void,
    ): this
    on(event: 'exit', listener: (code: number) => void): this
    on(event: 'message', listener: (message: unknown) => void): this
    on(event: 'spawn', listener: () => void): this
    postMessage(message: unknown, transfer?: MessagePortMain[]): void
    kill(): boolean
    pid: number | undefined
  }
  const utilityProcess: {
    fork(modulePath: string, args?: string[], options?: { serviceName?: string }): UtilityProcess
  }
  const app: { getPath(name: 'userData'): string }
}

declare namespace NodeJS {
  interface Process {
    /** In a utility process alone. */
    parentPort: {
      on(
        event: 'message',
        listener: (event: { data: unknown; ports: import('electron').MessagePortMain[] }) => void,
      ): void
      postMessage(message: unknown): void
    }
  }
}
