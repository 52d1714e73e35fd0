import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '#infra/embedded'
import { TestVeil } from '#test/veil'

const SCRIPT = resolve(import.meta.dirname, '../../scripts/demo.ts')

/** Runs the demo as `npm run demo` does, with a temporary folder of its own. */
function startDemo(port: number) {
  const temporary = mkdtempSync(join(tmpdir(), 'veil-demo-test-'))
  // Postgres runs under another account where we are root, and must get in.
  chmodSync(temporary, 0o755)
  onTestFinished(() => rmSync(temporary, { recursive: true, force: true }))
  const child = spawn(process.execPath, [SCRIPT], {
    env: { ...process.env, PORT: String(port), TMPDIR: temporary, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const saw: { text: string; found: () => void }[] = []
  const gather = (text: Buffer) => {
    output += text
    for (const { text, found } of saw) if (output.includes(text)) found()
  }
  child.stdout.on('data', gather)
  child.stderr.on('data', gather)
  const ended = new Promise<{ code: number | null; output: string; left: string[] }>((done) => {
    child.once('close', (code) => done({ code, output, left: readdirSync(temporary) }))
  })
  const says = (text: string) => new Promise<void>((found) => saw.push({ text, found }))
  return { child, ended, says }
}

test('tells the story with an instance of its own and leaves nothing behind', async () => {
  const { code, output, left } = await startDemo(await freePort()).ended
  expect(output).toContain('starting one for the demo')
  expect(output).toMatch(/All \d+ steps held/)
  expect(code).toBe(0)
  expect(left).toEqual([])
}, 90_000)

test('tells it against a running instance, and again', async () => {
  const veil = await TestVeil.start()
  onTestFinished(() => veil.stop())
  const port = Number(new URL(veil.url).port)
  for (const _ of ['once', 'again']) {
    const { code, output } = await startDemo(port).ended
    expect(output).toContain(`Veil at http://127.0.0.1:${port} is running`)
    expect(output).toMatch(/All \d+ steps held/)
    expect(code).toBe(0)
  }
}, 60_000)

test('names the step that failed, what was expected and what came', async () => {
  const veil = await TestVeil.start({ ALLOW_PRIVATE_UPSTREAMS: 'false' })
  onTestFinished(() => veil.stop())
  const { code, output } = await startDemo(Number(new URL(veil.url).port)).ended
  expect(code).toBe(1)
  expect(output).toContain('✗ The demo failed at step 2.')
  expect(output).toContain('expected: 201')
  expect(output).toMatch(/got: +422 upstream_refused/)
}, 60_000)

test('stops its instance when it is interrupted', async () => {
  const demo = startDemo(await freePort())
  await demo.says('2. ')
  demo.child.kill('SIGINT')
  const { code, output, left } = await demo.ended
  expect(code).toBe(1)
  expect(output).toContain('Interrupted by SIGINT')
  expect(left).toEqual([])
}, 90_000)
