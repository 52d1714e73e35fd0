// `npm test`: every check, in the order in which it tells most for its time. The first failure ends it.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

const RESULTS = 'node_modules/.cache/test-results.json'
const REPORTS = ['--reporter=default', '--reporter=json', `--outputFile.json=${RESULTS}`]

const CHECKS: [string, string[]][] = [
  ['lint', ['biome', 'ci', '--error-on-warnings']],
  ['types', ['tsc', '--noEmit']],
  ['unused code', ['knip']],
  ['tests', ['bun', '--bun', 'vitest', 'run', ...REPORTS, ...process.argv.slice(2)]],
]

function run([command = '', ...args]: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit' })
    // The runner and what it started end with us.
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => child.kill(signal))
    child.on('error', reject)
    child.on('exit', (code) => resolve(code ?? 1))
  })
}

for (const [name, command] of CHECKS) {
  console.log(`\n— ${name}`)
  const code = await run(command)
  if (code !== 0) {
    console.error(`\n${name}: failed`)
    process.exit(code)
  }
}

const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(RESULTS, 'utf8'))
console.log(`\n${numPassedTests} passed, ${numFailedTests} failed`)
