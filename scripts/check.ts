// `npm test`: lint, types, unused code, tests. All are run, whatever the earlier ones found; the
// last line counts the tests, and each other check that failed as one more failure.
import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'

const RESULTS = 'node_modules/.cache/test-results.json'
const REPORTS = ['--reporter=default', '--reporter=json', `--outputFile.json=${RESULTS}`]

const CHECKS: [string, string[]][] = [
  ['lint', ['biome', 'ci', '--error-on-warnings']],
  ['types', ['tsc', '--noEmit']],
  ['unused code', ['knip']],
]
const TESTS = ['bun', '--bun', 'vitest', 'run', ...REPORTS, ...process.argv.slice(2)]

/** What runs ends with us. */
let end: ((signal: NodeJS.Signals) => void) | null = null
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.on(signal, () => {
    end?.(signal)
    process.exitCode = code
  })

async function run(name: string, [command = '', ...args]: string[]): Promise<boolean> {
  console.log(`\n— ${name}`)
  const child = spawn(command, args, { stdio: 'inherit' })
  end = (signal) => child.kill(signal)
  const passed = await new Promise<boolean>((resolve) => {
    child.on('error', (error) => {
      console.log(String(error))
      resolve(false)
    })
    child.on('exit', (code) => resolve(code === 0))
  })
  if (process.exitCode) process.exit()
  return passed
}

interface Results {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
}

/** A run that broke down without a failed test, or before it could report, counts as one failure. */
function countTests(passed: boolean): Results {
  try {
    const results: Results = JSON.parse(readFileSync(RESULTS, 'utf8'))
    return { ...results, numFailedTests: Math.max(results.numFailedTests, passed ? 0 : 1) }
  } catch {
    return { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0 }
  }
}

const failed: string[] = []
for (const [name, command] of CHECKS) if (!(await run(name, command))) failed.push(name)
rmSync(RESULTS, { force: true })
const { numPassedTests, numFailedTests, numPendingTests } = countTests(await run('tests', TESTS))

console.log('')
for (const name of failed) console.log(`${name}: failed, see above`)
if (numPendingTests > 0) console.log(`${numPendingTests} tests were not run, see above`)
console.log(`${numPassedTests} passed, ${numFailedTests + failed.length} failed`)
process.exit(numFailedTests + failed.length > 0 ? 1 : 0)
