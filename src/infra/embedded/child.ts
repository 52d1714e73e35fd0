import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemTool } from './command'
import type { SignalStep } from './processes'

/** How a supervised child ended. `error` is set when it could not even be started. */
export interface ChildExit {
  code: number | null
  signal: NodeJS.Signals | null
  error?: string
}

/** A child process in a session of its own. */
export interface SupervisedChild {
  pid: number
  /** Fulfilled when the child is gone and its last words have been read; never rejected. */
  exited: Promise<ChildExit>
  /** Null while the child runs. */
  exit(): ChildExit | null
  /** The end of what it wrote to standard error. */
  lastOutput(): string
  /** Sends ever harder signals until it is gone. */
  stop(steps: readonly SignalStep[]): Promise<ChildExit>
}

export interface ChildOptions {
  env: Record<string, string>
  cwd?: string
  /** Receives each line the child writes to standard error. */
  log?: (line: string) => void
}

/** Nothing outlives us, however we come to exit; a kill that we cannot catch is `dieWithParent`'s matter. */
const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGTERM')
})

const KEPT_OUTPUT = 8_000
/** Grandchildren may hold the pipe open after the child's exit: its last words are awaited no longer than this. */
const LAST_WORDS_MS = 300

/** The prefix of a command that makes the kernel signal it when our process dies. Linux only; empty elsewhere. */
export function dieWithParent(signal: 'INT' | 'TERM'): readonly string[] {
  const setpriv = process.platform === 'linux' ? systemTool('setpriv') : null
  return setpriv ? [setpriv, '--pdeathsig', signal] : []
}

/**
 * Starts a long-running child in its own session: Ctrl-C in the terminal then reaches only us, and we drain while
 * the child still serves.
 */
export function superviseChild(argv: readonly string[], options: ChildOptions): SupervisedChild {
  const [program = '', ...args] = argv
  const { log, ...spawnOptions } = options
  const child = spawn(program, args, {
    ...spawnOptions,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  alive.add(child)
  const output = gatherOutput(child, log)
  let exit: ChildExit | null = null
  const exited = waitForExit(child).then((ended) => {
    exit = ended
    alive.delete(child)
    return ended
  })
  return {
    pid: child.pid ?? -1,
    exited,
    exit: () => exit,
    lastOutput: output,
    stop: (steps) => stopChild(child, exited, steps),
  }
}

function gatherOutput(child: ChildProcess, log?: (line: string) => void): () => string {
  let tail = ''
  let line = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    tail = (tail + chunk).slice(-KEPT_OUTPUT)
    const lines = (line + chunk).split('\n')
    line = lines.pop() ?? ''
    for (const complete of lines) if (complete) log?.(complete)
  })
  return () => tail.trim()
}

async function waitForExit(child: ChildProcess): Promise<ChildExit> {
  const ended = await new Promise<ChildExit>((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, error: error.message }))
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  if (child.stderr && !child.stderr.closed) {
    await Promise.race([once(child.stderr, 'close'), sleep(LAST_WORDS_MS)])
  }
  return ended
}

async function stopChild(
  child: ChildProcess,
  exited: Promise<ChildExit>,
  steps: readonly SignalStep[],
): Promise<ChildExit> {
  for (const [signal, waitMs] of steps) {
    if (child.exitCode !== null || child.signalCode !== null) break
    child.kill(signal)
    const timer = new AbortController()
    const expired = sleep(waitMs, undefined, { signal: timer.signal }).catch(() => undefined)
    await Promise.race([exited, expired])
    timer.abort()
  }
  return exited
}

/** `exited with code 1`, `was killed by SIGKILL`, … for messages. */
export function describeExit({ code, signal, error }: ChildExit): string {
  if (error) return `could not be started (${error})`
  return signal ? `was killed by ${signal}` : `exited with code ${code}`
}
