import { execFile } from 'node:child_process'

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
        const code = error ? (typeof error.code === 'number' ? error.code : null) : 0
        resolve({ code, stdout, stderr: stderr || (error?.message ?? '') })
      })
      child.stdin?.on('error', () => undefined)
      child.stdin?.end(input ?? '')
    } catch (error) {
      resolve({ code: null, stdout: '', stderr: String(error) })
    }
  })
}
