import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { freePort, isPortFree } from '../../../src/infra/embedded/ports'

test('a free port is free until someone listens there', async () => {
  const port = await freePort()
  expect(await isPortFree(port)).toBe(true)
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  expect(await isPortFree(port)).toBe(false)
})
