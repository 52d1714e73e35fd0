import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFailed, onTestFinished, test } from 'vitest'
import { startEchoUpstream } from '#test/gateway'
import { eventually } from '#test/poll'
import { newPlace, REAL_PATH, VeilProcess } from '#test/process'
import { askOk, type SoldApi, sellApi } from '#test/request'

const call = (veil: VeilProcess, { slug, key }: SoldApi) =>
  fetch(`${veil.gatewayUrl}/${slug}/`, { headers: { 'x-api-key': key }, keepalive: false }).then(
    (response) => response.status,
    () => 0,
  )

const readiness = async (veil: VeilProcess) => {
  const { status, headers, body } = await veil.request('GET', '/health/ready')
  return { status, type: headers.get('content-type') ?? '', detail: String(body.detail ?? '') }
}

async function startSelling(options: Parameters<typeof VeilProcess.start>[0] = {}) {
  const veil = await VeilProcess.start(options)
  onTestFinished(() => veil.dispose())
  onTestFailed(() => console.error(veil.stdout, veil.stderr.slice(-5_000)))
  const upstream = startEchoUpstream('survivor')
  onTestFinished(() => upstream.stop())
  const sold = await sellApi(veil.url, 'survivor', upstream.port)
  expect(await call(veil, sold)).toBe(200)
  return { veil, sold }
}

test('a killed Caddy and a killed Postgres come back by themselves, and nothing is lost', async () => {
  const { veil, sold } = await startSelling()
  await veil.replaceChild('caddy')
  await eventually(async () => (await call(veil, sold)) === 200, 'calls to pass again')
  await veil.replaceChild('postgres')
  await eventually(async () => (await readiness(veil)).status === 200, 'readiness to come back')
  const usage = () =>
    askOk(`${veil.url}/subscriptions/${sold.subscriptionId}/usage`, 'GET', {
      token: sold.consumerToken,
    })
  // A batch that was in work when Postgres died is taken up again when its lease ends, after 15 s.
  await eventually(async () => (await usage()).calls >= 2, 'the calls to be counted', 25_000)
  expect(await call(veil, sold)).toBe(200)
  expect(veil.isRunning).toBe(true)
}, 60_000)

/** A program that runs another one as long as nobody takes that away. */
function wrapper(folder: string, program: string): { path: string; breakIt(): void } {
  const path = join(folder, 'wrapped-caddy')
  writeFileSync(path, `#!/bin/sh\nexec '${program}' "$@"\n`)
  chmodSync(path, 0o755)
  return {
    path,
    breakIt: () => writeFileSync(path, '#!/bin/sh\necho "no more memory" >&2\nexit 7\n'),
  }
}

test('a child that cannot be kept running: first 503 with its name, then the end with a plain message', async () => {
  const place = await newPlace()
  const caddy = wrapper(place.folder, place.environment.CADDY_BIN ?? '')
  const veil = await VeilProcess.start({ place, environment: { CADDY_BIN: caddy.path } })
  onTestFinished(() => veil.dispose())
  caddy.breakIt()
  process.kill(veil.childPid('caddy'), 'SIGKILL')
  let answer = await readiness(veil)
  await eventually(async () => {
    if (answer.status !== 503) answer = await readiness(veil)
    return answer.status === 503
  }, 'a 503')
  expect(answer).toMatchObject({ type: 'application/problem+json' })
  expect(answer.detail).toContain('gateway')
  expect(await veil.closed).toEqual({ code: 1, signal: null })
  expect(veil.stdout).toContain('Caddy ends again and again')
  expect(veil.stdout).toContain('no more memory')
  expect(veil.stdout + veil.stderr).not.toMatch(/^\s+at /m)
  expect(veil.survivors()).toEqual([])
})

/** As on systems where the kernel does not end the children of a killed process. */
function pathWithoutDeathSignal(folder: string): string {
  const setpriv = Bun.which('setpriv')
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  if (setpriv)
    writeFileSync(
      join(bin, 'setpriv'),
      `#!/bin/sh\n[ "$1" = --pdeathsig ] && { shift 2; exec "$@"; }\nexec ${setpriv} "$@"\n`,
      { mode: 0o755 },
    )
  return `${bin}:${REAL_PATH}`
}

test.each([
  ['whose children end with it', false],
  ['whose children stay behind', true],
])('after kill -9 of a Veil %s, the next start takes over at once', async (_, orphans) => {
  const place = await newPlace()
  const environment = orphans ? { PATH: pathWithoutDeathSignal(place.folder) } : {}
  const { veil, sold } = await startSelling({ place, environment })
  const [postgres, caddy] = [veil.childPid('postgres'), veil.childPid('caddy')]
  veil.signal('SIGKILL')
  await veil.closed.catch(() => undefined)

  const next = await VeilProcess.start({ place, environment })
  onTestFinished(() => next.dispose({ keepData: true }))
  expect(next.childPid('postgres')).not.toBe(postgres)
  expect(next.childPid('caddy')).not.toBe(caddy)
  expect(await call(next, sold)).toBe(200)
  expect(veil.survivors()).toEqual([])
})
