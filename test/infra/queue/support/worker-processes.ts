import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { afterEach } from 'vitest'
import type { WorkerProcessPlan } from '../worker-process'

/** Workers in processes of their own, killed after each test. */
export function useWorkerProcesses(queue: { database: { url: string } }) {
  const children = new Set<ChildProcess>()
  afterEach(async () => {
    for (const child of children) await kill(child)
  })
  return {
    start(plan: Omit<WorkerProcessPlan, 'url'>): ChildProcess {
      const script = join(import.meta.dirname, '../worker-process.ts')
      const argument = JSON.stringify({ url: queue.database.url, ...plan })
      const child = spawn(process.execPath, [script, argument], {
        cwd: resolve(import.meta.dirname, '../../../..'),
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      children.add(child)
      child.once('exit', () => children.delete(child))
      return child
    },
  }
}

export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
