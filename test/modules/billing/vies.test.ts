import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { Vies } from '#modules/billing'

/** Answers as the register does. */
async function ask(answer: string, status = 200): Promise<[boolean | null, string]> {
  let asked = ''
  const server = createServer((request, response) => {
    asked = request.url ?? ''
    response.writeHead(status, { 'content-type': 'application/json' }).end(answer)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  const known = await new Vies(`http://127.0.0.1:${port}`).knows('EL094259216')
  server.close()
  return [known, asked]
}

test.each<[string, boolean | null]>([
  ['{"isValid":true,"userError":"VALID"}', true],
  ['{"isValid":false,"userError":"INVALID"}', false],
  ['{"isValid":false,"userError":"MS_UNAVAILABLE"}', null],
  ['{"errorWrappers":[{"error":"VOW-ERR-1"}]}', null],
  ['<html>', null],
])('%s: %s', async (answer, known) => {
  expect(await ask(answer)).toEqual([known, '/ms/EL/vat/094259216'])
})

test('a register that is away says nothing', async () => {
  expect(await new Vies('http://127.0.0.1:9').knows('EL094259216')).toBeNull()
})
