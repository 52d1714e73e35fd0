import { type ChildProcess, execFile } from 'node:child_process'

/** How a command ended; `code` is null when it could not be started, was killed or ran out of time. */
export interface CommandResult {
  code: number | null
  stdout: string
  stderr: string
}

export interface CommandOptions {
  /** Without it the command inherits our own environment (proxy settings and the like). */
  env?: Record<string, string>
  cwd?: string
  /** Milliseconds until the command is killed. */
  timeoutMs?: number
  /** Written to the command's standard input. */
  input?: string
}

const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'

/** The path of one of the system's own tools, also where PATH leaves the system's folders out; null when it has none. */
export function systemTool(name: string): string | null {
  return Bun.which(name) ?? Bun.which(name, { PATH: SYSTEM_PATH })
}

const running = new Set<ChildProcess>()

/** Kills every command that still runs, so that a start which is no longer wanted ends soon. */
export function killCommands(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** Runs a program without a shell and gathers its output. Never rejects: a failed start is `code: null` with the reason in `stderr`. */
export function runCommand(
  [program = '', ...args]: readonly string[],
  { input, timeoutMs, ...rest }: CommandOptions = {},
): Promise<CommandResult> {
  const options = {
    ...rest,
    timeout: timeoutMs ?? 0,
    killSignal: 'SIGKILL',
    maxBuffer: 8 << 20,
  } as const
  return new Promise((resolve) => {
    try {
      const child = execFile(program, args, options, (error, stdout, stderr) => {
        running.delete(child)
        const code = error ? (typeof error.code === 'number' ? error.code : null) : 0
        resolve({ code, stdout, stderr: stderr || (error?.message ?? '') })
      })
      running.add(child)
      child.stdin?.on('error', () => undefined)
      child.stdin?.end(input ?? '')
    } catch (error) {
      resolve({ code: null, stdout: '', stderr: String(error) })
    }
  })
}
