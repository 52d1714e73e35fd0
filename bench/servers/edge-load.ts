import { readFileSync } from 'node:fs'
import { Writable } from 'node:stream'
import { connect } from '#db/client'
import { createLogger } from '#infra/logger'
import { EdgeLoader } from '../../src/modules/gateway/edge-loader.ts'
import { EdgeState } from '../../src/modules/gateway/edge-state.ts'

/** What an edge of so many keys is made of, before it has answered a call. */
export interface EdgeLoadReport {
  seconds: number
  keys: number
  subscriptions: number
  residentMb: number
  /** The most that was resident while it loaded. */
  peakMb: number
}

const { url } = JSON.parse(process.argv[2] ?? '{}') as { url: string }
const database = connect({ url })
const state = new EdgeState()
const nowhere = new Writable({ write: (_line, _encoding, done) => done() })
const began = performance.now()
await new EdgeLoader(database.sql, state, createLogger('error', nowhere)).start()
const seconds = (performance.now() - began) / 1_000
const status = readFileSync('/proc/self/status', 'utf8')
const megabytes = (field: string) =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024

process.on('disconnect', () => process.exit(0))
process.send?.({
  seconds,
  keys: state.keyCount,
  subscriptions: state.subscriptionCount,
  residentMb: megabytes('VmRSS'),
  peakMb: megabytes('VmHWM'),
} satisfies EdgeLoadReport)
