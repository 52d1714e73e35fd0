import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Authorizer } from '../../../src/modules/gateway/authorize.ts'
import { readSnapshot, writeSnapshot } from '../../../src/modules/gateway/edge-snapshot.ts'
import { EdgeState } from '../../../src/modules/gateway/edge-state.ts'
import { API, edgeWith, NOON } from './authorize-fixture.ts'

it('a snapshot keeps what a key is limited to', async () => {
  const scope = { operations: ['GET /cities/*'], addresses: ['192.0.2.0/24'] }
  const before = edgeWith({ key: { scope } })
  const folder = mkdtempSync(join(tmpdir(), 'veil-snapshot-'))
  const path = join(folder, 'edge.snapshot')
  await writeSnapshot(path, { image: before.state.image(), since: '1' })
  const snapshot = await readSnapshot(path)
  rmSync(folder, { recursive: true })
  const state = new EdgeState()
  state.restore(snapshot?.image ?? before.state.image())
  const authorizer = new Authorizer(state)
  const call = (part: { path?: string; address?: string }) => {
    const here = { method: 'GET', path: '/cities/7', address: '192.0.2.7', overridesMethod: false }
    const target = () => ({ ...here, ...part })
    return authorizer.authorize({ key: before.generated.key, apiId: API, target }, NOON)
  }
  expect(snapshot).not.toBeNull()
  expect(call({})).toMatchObject({ admitted: true })
  expect(call({ path: '/reports' })).toMatchObject({ code: 'operation_not_allowed' })
  expect(call({ address: '198.51.100.1' })).toMatchObject({ code: 'address_not_allowed' })
})
