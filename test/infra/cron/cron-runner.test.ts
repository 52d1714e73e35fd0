import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '#infra/clock'
import { CronRunner, defineJob, JobRunning, JobUnknown } from '#infra/cron'
import { Leases } from '#infra/lock'
import { createLogger } from '#infra/logger'
import { freshDatabase, type TestDatabase } from '#test/database'
import { eventually } from '#test/poll'

let database: TestDatabase
beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(() => database.drop())

const runnerOf = (...jobs: Parameters<typeof defineJob>[0][]) =>
  new CronRunner({
    jobs: jobs.map(defineJob),
    leases: new Leases(database.db),
    clock: systemClock,
    logger: createLogger('silent'),
  })

test.each(['every day', '99 * * * *', '0 0 30 2 *'])('the schedule %s is refused', (schedule) => {
  expect(() => defineJob({ name: 'bad', schedule, run: async () => ({}) })).toThrow()
})

test('a job runs by its schedule and by name', async () => {
  let runs = 0
  const runner = runnerOf({
    name: 'tick',
    schedule: '* * * * * *',
    run: async () => ({ runs: ++runs }),
  })
  expect(await runner.runNow('tick')).toEqual({ runs: 1 })
  runner.start()
  await eventually(() => runs >= 2, 'a scheduled run')
  await runner.stop()
  await expect(runner.runNow('tock')).rejects.toThrow(JobUnknown)
})

test('a job that runs in one process does not start in another', async () => {
  let finish = () => {}
  let begun = false
  const run = () =>
    new Promise<Record<string, number>>((resolve) => {
      begun = true
      finish = () => resolve({})
    })
  const job = { name: 'slow', schedule: '0 0 1 1 *', run }
  const first = runnerOf(job).runNow('slow')
  await eventually(() => begun, 'the job to begin')
  await expect(runnerOf(job).runNow('slow')).rejects.toThrow(JobRunning)
  finish()
  expect(await first).toEqual({})
})

test('a job that fails sets the lease free', async () => {
  const runner = runnerOf({
    name: 'broken',
    schedule: '0 0 1 1 *',
    run: async () => {
      throw new Error('broken')
    },
  })
  await expect(runner.runNow('broken')).rejects.toThrow('broken')
  await expect(runner.runNow('broken')).rejects.toThrow('broken')
})
