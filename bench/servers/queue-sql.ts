import postgres from 'postgres'
import { inChunks, serveQueue } from '../support/queue-contender.ts'

/** The least that a queue in Postgres can be: a table, batches claimed and deleted, nothing else. */
const { url } = JSON.parse(process.argv[2] ?? '{}') as { url: string }
const sql = postgres(url, { max: 20, onnotice: () => undefined })
await sql`create table jobs (id bigint primary key generated always as identity, token uuid, payload json not null)
  with (fillfactor = 45)`
const payload = (n: number) => JSON.stringify({ n, text: 'a small payload of a usual event' })
const enqueue = (n: number) => sql`insert into jobs (payload) values (${payload(n)}::text::json)`

serveQueue({
  fill: (count) =>
    inChunks(
      count,
      1_000,
      (numbers) =>
        sql`insert into jobs (payload) select json_array_elements(${`[${numbers.map(payload)}]`}::text::json)`,
    ),
  async drain(count) {
    let left = count
    const lane = async () => {
      while (left > 0) {
        const token = crypto.randomUUID()
        const rows = await sql`
          with free as (select ctid from jobs where token is null order by id limit 1000 for no key update skip locked)
          update jobs set token = ${token} from free where jobs.ctid = free.ctid returning id, payload`
        left -= rows.length
        await sql`delete from jobs where token = ${token} and id = any(${rows.map((row) => row.id)}::bigint[])`
      }
    }
    await Promise.all([lane(), lane()])
  },
  enqueue: () => enqueue(1),
  listen: async () => undefined,
  enqueueNumber: () => Promise.reject(new Error('not measured')),
  unlisten: async () => undefined,
})
