import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** A running process. Pid and start together name it: a pid alone is given out again. */
export interface ProcessIdentity {
  pid: number
  /** Opaque: clock ticks since boot on Linux, a date on macOS. */
  startedAt: string
  /** The command line, arguments joined by one space. */
  command: string
}

/** The process of that pid, or null when there is none or it is only a zombie waiting to be reaped. */
export function findProcess(pid: number): ProcessIdentity | null {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null
  return process.platform === 'linux' ? findInProc(pid) : findWithPs(pid)
}

/** Whether the process once seen as `identity` is still the one running under its pid. */
export function isStillRunning(identity: Pick<ProcessIdentity, 'pid' | 'startedAt'>): boolean {
  return findProcess(identity.pid)?.startedAt === identity.startedAt
}

function findInProc(pid: number): ProcessIdentity | null {
  try {
    // The program's name stands in parentheses and may hold anything; the fields are counted after it (proc_pid_stat(5)).
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, startedAt] = [fields[0], fields[19]]
    if (!startedAt || state === 'Z' || state === 'X') return null
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim()
    return { pid, startedAt, command }
  } catch {
    return null
  }
}

function findWithPs(pid: number): ProcessIdentity | null {
  try {
    const args = ['-ww', '-o', 'stat=,lstart=,command=', '-p', String(pid)]
    const line = execFileSync('ps', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    const [stat = '', ...words] = line.trim().split(/\s+/)
    if (!stat || stat.startsWith('Z')) return null
    return { pid, startedAt: words.slice(0, 5).join(' '), command: words.slice(5).join(' ') }
  } catch {
    return null
  }
}

/** One signal and how long to wait for its effect before the next one, in milliseconds. */
export type SignalStep = readonly [signal: NodeJS.Signals, waitMs: number]

/** Stops a process that is not our child, with ever harder signals. Returns whether it is gone. */
export async function stopProcess(
  identity: ProcessIdentity,
  steps: readonly SignalStep[],
): Promise<boolean> {
  for (const [signal, waitMs] of steps) {
    if (!isStillRunning(identity)) return true
    try {
      process.kill(identity.pid, signal)
    } catch {
      // Gone in between, or not ours to signal: the check below tells which.
    }
    const deadline = performance.now() + waitMs
    while (isStillRunning(identity) && performance.now() < deadline) await sleep(20)
  }
  return !isStillRunning(identity)
}
