import { chownSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { isPortFree } from '#infra/embedded'
import { eventually } from '#test/poll'
import { newPlace, type Place, REAL_PATH, VeilProcess } from '#test/process'
import { sellApi } from '#test/request'

const npm = Bun.which('npm', { PATH: REAL_PATH }) ?? 'npm'
const npmStart = (place: Place) => VeilProcess.start({ place, command: [npm, 'start'] })

let place: Place
beforeAll(async () => {
  place = await newPlace()
})
afterAll(async () => {
  const last = await VeilProcess.spawn({ place, command: ['true'] })
  await last.dispose()
})

async function expectNothingLeft(veil: VeilProcess): Promise<void> {
  expect(veil.survivors().map((pid) => veil.tree().get(pid) ?? pid)).toEqual([])
  for (const [name, port] of Object.entries(veil.place.environment))
    if (name.endsWith('PORT')) expect(await isPortFree(Number(port)), name).toBe(true)
}

test('npm start brings everything up, tells the first password once, and Ctrl-C ends it all', async () => {
  const first = await npmStart(place)
  onTestFinished(() => first.dispose({ keepData: true }))
  const [, password = ''] = /Password +(\S+)/.exec(first.stdout) ?? []
  const login = (veil: VeilProcess) =>
    veil.request('POST', '/auth/login', { body: { email: 'admin@veil.local', password } })
  expect((await login(first)).status).toBe(200)
  expect(await first.request('GET', '/health/ready')).toMatchObject({
    status: 200,
    body: { status: 'ready', parts: ['postgres', 'gateway', 'edge'] },
  })
  expect(first.stdout).toMatch(/Swagger UI +http/)
  for (const program of ['bun', 'postgres', 'caddy'])
    expect(first.childPid(program)).toBeGreaterThan(0)

  // As a terminal does it, and impatiently.
  first.signal('SIGINT', 'group')
  first.signal('SIGINT', 'group')
  await first.closed
  await expectNothingLeft(first)

  const second = await npmStart(place)
  onTestFinished(() => second.dispose({ keepData: true }))
  expect(second.stdout).not.toContain('Password')
  expect((await login(second)).status).toBe(200)

  second.signal('SIGTERM')
  await second.closed
  await expectNothingLeft(second)
  // Plain words on standard output; standard error is npm's and the log's.
  const foreign = second.stderr
    .split('\n')
    .filter((line) => !/^(npm (warn|notice)|\{.*\}$|$)/.test(line))
  expect(foreign).toEqual([])
})

test('requests in flight end before the process does', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  let called = 0
  const upstream = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async () => {
      called++
      await released
      return new Response('at last')
    },
  })
  const veil = await VeilProcess.start({ place })
  onTestFinished(async () => {
    await veil.dispose({ keepData: true })
    await upstream.stop(true)
  })
  const { slug, key } = await sellApi(veil.url, 'slow', upstream.port ?? 0)
  const call = fetch(`${veil.gatewayUrl}/${slug}/`, { headers: { 'x-api-key': key } })
  const upload = slowLogin(Number(veil.place.environment.PORT))
  await eventually(() => called === 1, 'the call to reach the upstream')

  veil.signal('SIGTERM')
  await eventually(() => veil.stdout.includes('Stopping'), 'the stop to begin')
  upload.finish()
  expect(await upload.answer).toMatch(/^HTTP\/1\.1 401/)
  release()
  const response = await call
  expect([response.status, await response.text()]).toEqual([200, 'at last'])
  expect(await veil.closed).toEqual({ code: 0, signal: null })
  await expectNothingLeft(veil)
})

/** A login whose body stays half sent until `finish`. */
function slowLogin(port: number): { finish(): void; answer: Promise<string> } {
  const body = JSON.stringify({ email: 'nobody@example.com', password: 'wrong wrong wrong' })
  const socket = connect(port, '127.0.0.1')
  const answer = new Promise<string>((resolve, reject) => {
    socket.once('data', (data) => resolve(String(data)))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed without an answer')))
  })
  answer.catch(() => undefined)
  socket.write(
    `POST /auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 10)}`,
  )
  return { answer, finish: () => socket.write(body.slice(10)) }
}

test('a first start that is broken off leaves nothing running, and the next one succeeds', async () => {
  const fresh = await newPlace()
  const broken = await VeilProcess.spawn({ place: fresh })
  onTestFinished(() => broken.dispose())
  await eventually(() => broken.stdout.includes('Creating the database'), 'the first start')
  await eventually(() => broken.tree().size > 0, 'a child')
  broken.signal('SIGTERM')
  expect(await broken.closed).toEqual({ code: 0, signal: null })
  await eventually(() => broken.survivors().length === 0, 'the end of all children')

  const next = await VeilProcess.start({ place: fresh })
  onTestFinished(() => next.dispose({ keepData: true }))
  expect((await next.request('GET', '/health/ready')).status).toBe(200)
})

test('a second Veil in the same folder is told so', async () => {
  const veil = await VeilProcess.start({ place })
  onTestFinished(() => veil.dispose({ keepData: true }))
  const other = await newPlace()
  const second = await VeilProcess.spawn({
    place: other,
    environment: { VEIL_DATA_DIR: place.environment.VEIL_DATA_DIR ?? '' },
  })
  onTestFinished(() => second.dispose())
  expect((await second.closed).code).toBe(1)
  expect(second.stdout).toContain('already run by another Veil')
  expect((await veil.request('GET', '/health/ready')).status).toBe(200)
})

/** Whether an ordinary account of this machine reaches the checkout at all; only root can find out. */
const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
const canTryNobody =
  process.getuid?.() === 0 &&
  Bun.which('setpriv') !== null &&
  Bun.spawnSync([...nobody, process.execPath, '--version']).success

if (canTryNobody)
  test('an ordinary user starts it as well as root', async () => {
    const place = await newPlace()
    chownSync(place.folder, 65534, 65534)
    const command = [...nobody, process.execPath, 'src/main.ts']
    const veil = await VeilProcess.start({ place, command, environment: { HOME: place.folder } })
    onTestFinished(() => veil.dispose())
    expect((await veil.request('GET', '/health/ready')).status).toBe(200)
    veil.signal('SIGINT')
    expect(await veil.closed).toEqual({ code: 0, signal: null })
    await expectNothingLeft(veil)

    // Root's data is not this user's: one message, and nothing is overwritten.
    chownSync(join(place.folder, 'data'), 0, 0)
    const refused = await VeilProcess.spawn({ place, command })
    expect((await refused.closed).code).toBe(1)
    expect(refused.stdout).toContain('cannot be written')
  })
