import type { Writable } from 'node:stream'
import type postgres from 'postgres'

/** Characters at once; a larger piece gains nothing. */
const PIECE = 65_536

/**
 * Sends rows in COPY's text form (columns by tabs, rows by line feeds).
 *
 * Returns when all is on its way. A refusal that Postgres utters while rows are still being sent is
 * thrown with its reason; a later one shows at the next statement only, as 25P02: the client has
 * settled the COPY by then. So a caller that must know the reason asks again by another way.
 *
 * @param sql an open transaction
 * @param target table and columns, never anything from outside
 * @param rows each with its line feed; made one by one, so that they are never all there at once
 */
export async function copyRows(
  sql: Pick<postgres.TransactionSql, 'unsafe'>,
  target: string,
  rows: Iterable<string>,
): Promise<void> {
  const stream = await sql.unsafe(`copy ${target} from stdin`).writable()
  const sent = whenEnded(stream)
  let piece = ''
  for (const row of rows) {
    piece += row
    if (piece.length < PIECE) continue
    stream.write(piece)
    piece = ''
  }
  stream.end(piece)
  await sent
}

/** Fulfilled when the end has been sent. `finish` comes with Postgres' approval, and never without. */
function whenEnded(stream: Writable): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const end = stream._final
  stream._final = (callback) => {
    end.call(stream, callback)
    resolve()
  }
  stream.on('error', reject)
  return promise
}

/** Text as COPY wants it. */
export const copyText = (text: string): string =>
  /[\\\t\n\r]/.test(text) ? text.replace(/[\\\t\n\r]/g, (sign) => ESCAPED[sign] ?? sign) : text

const ESCAPED: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }
