import { randomBytes } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrate } from '#db/migrate'
import { TestClock } from '#test/clock'

/** An empty database of this test's own. */
async function emptyDatabase() {
  const server = new URL(process.env.TEST_POSTGRES_URL ?? '')
  const admin = postgres(server.href, { max: 1, onnotice: () => undefined })
  const name = `empty_${randomBytes(6).toString('hex')}`
  await admin.unsafe(`create database ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  const sql = postgres(url.href, { max: 1, onnotice: () => undefined })
  const drop = async () => {
    await sql.end()
    await admin.unsafe(`drop database ${name} with (force)`)
    await admin.end()
  }
  return { url: url.href, sql, drop }
}

describe('migrating', () => {
  let database: Awaited<ReturnType<typeof emptyDatabase>>
  beforeAll(async () => {
    database = await emptyDatabase()
  })
  afterAll(() => database.drop())

  /** Every relation and constraint by its object id: anything made anew would have another. */
  const state = async () => ({
    relations: await database.sql`select oid, relname from pg_class
      where relnamespace = 'public'::regnamespace order by oid`,
    constraints: await database.sql`select oid, conname from pg_constraint order by oid`,
    applied: await database.sql`select id, hash from drizzle.__drizzle_migrations order by id`,
  })

  test('an empty database by four at once is safe, and doing it again changes nothing', async () => {
    const clock = new TestClock()
    await Promise.all(Array.from({ length: 4 }, () => migrate(database.url, clock)))
    const first = await state()
    const { entries } = JSON.parse(await readFile('migrations/meta/_journal.json', 'utf8'))
    expect(first.applied).toHaveLength(entries.length)
    expect(first.relations.length).toBeGreaterThan(50)
    await migrate(database.url, clock)
    expect(await state()).toEqual(first)
  })
})

describe('the schema and the migrations', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'veil-migrations-'))
    await cp('migrations', join(folder, 'migrations'), { recursive: true })
    await cp('src', join(folder, 'src'), { recursive: true })
    for (const file of ['package.json', 'tsconfig.json', 'drizzle.config.ts'])
      await cp(file, join(folder, file))
    await symlink(resolve('node_modules'), join(folder, 'node_modules'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const migrations = async () =>
    (await readdir(join(folder, 'migrations'))).filter((file) => file.endsWith('.sql')).sort()

  /** What drizzle-kit says, and what it adds to the migrations. */
  async function generate() {
    const before = await migrations()
    const kit = join('node_modules', 'drizzle-kit', 'bin.cjs')
    const child = Bun.spawn(['node', kit, 'generate'], {
      cwd: folder,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const [output, complaint] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ])
    const added = (await migrations()).filter((file) => !before.includes(file))
    return { code: await child.exited, output: output + complaint, added }
  }

  test('agree: nothing would be generated, while a change of the schema would be', async () => {
    expect(await generate()).toMatchObject({
      code: 0,
      added: [],
      output: expect.stringContaining('No schema changes'),
    })
    const file = join(folder, 'src/db/schema/keys.ts')
    const text = await readFile(file, 'utf8')
    const name = "name: text('name').notNull(),"
    expect(text).toContain(name)
    await writeFile(file, text.replace(name, `${name}\n    note: text('note'),`))
    expect((await generate()).added).toHaveLength(1)
  })
})
