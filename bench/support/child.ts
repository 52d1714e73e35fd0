import { readFileSync } from 'node:fs'

/** A server or load generator in a process of its own, spoken to by messages. */
export interface Child<Send, Receive> {
  pid: number
  send(message: Send): void
  /** The next message; rejects when the child ends before it. */
  receive(): Promise<Receive>
  stop(): Promise<void>
}

/** Starts a TypeScript file under the same Bun with one JSON argument. */
export function startChild<Send, Receive>(file: string, argument: unknown): Child<Send, Receive> {
  const queue: Receive[] = []
  const waiting: PromiseWithResolvers<Receive>[] = []
  const child = Bun.spawn([process.execPath, file, JSON.stringify(argument)], {
    stdio: ['ignore', 'inherit', 'inherit'],
    ipc(message: Receive) {
      const first = waiting.shift()
      if (first === undefined) queue.push(message)
      else first.resolve(message)
    },
  })
  void child.exited.then((code) => {
    for (const waiter of waiting) waiter.reject(new Error(`${file} ended with ${code}`))
  })
  return {
    pid: child.pid,
    send: (message) => child.send(message),
    receive() {
      const ready = queue.shift()
      if (ready !== undefined) return Promise.resolve(ready)
      const waiter = Promise.withResolvers<Receive>()
      waiting.push(waiter)
      return waiter.promise
    },
    async stop() {
      child.kill()
      await child.exited
    },
  }
}

/** Resident memory of a process in MB (Linux). */
export function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1024
}
