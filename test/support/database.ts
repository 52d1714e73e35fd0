import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { connect, type Database } from '#db/client'

/** Set by the global set-up: a server of this test run with a migrated template database. */
const server = () => {
  const url = process.env.TEST_POSTGRES_URL
  if (!url) throw new Error('run the tests through `npm test`: its set-up starts Postgres')
  return new URL(url)
}

const urlOf = (name: string) => {
  const url = server()
  url.pathname = `/${name}`
  return url.href
}

export const TEMPLATE = 'veil_template'

export interface TestDatabase extends Database {
  url: string
  /** Closes the connections and drops the database. */
  drop(): Promise<void>
}

/** A database of its own for one test file, cloned from the migrated template. */
export async function freshDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`
  const admin = postgres(urlOf('postgres'), { max: 1, onnotice: () => undefined })
  await admin.unsafe(`create database ${name} template ${TEMPLATE}`)
  await admin.end()
  const url = urlOf(name)
  const database = connect({ url, maxConnections: 8, applicationName: 'test' })
  return {
    ...database,
    url,
    drop: async () => {
      await database.close()
      const last = postgres(urlOf('postgres'), { max: 1, onnotice: () => undefined })
      await last.unsafe(`drop database if exists ${name} with (force)`)
      await last.end()
    },
  }
}
