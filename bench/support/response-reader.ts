/** Where in a connection's bytes the present answer stands. */
export interface Answer {
  status: number
  /** Bytes of head and body. */
  length: number
}

const HEAD_END = Buffer.from('\r\n\r\n')
const CHUNKED_END = Buffer.from('\r\n0\r\n\r\n')
const EMPTY_CHUNKED = '0\r\n\r\n'

/**
 * The first whole answer in `bytes`, null while it is not complete. Knows what servers answer to
 * GET: no body (204, 304), `Content-Length`, chunks without trailers.
 */
export function readAnswer(bytes: Buffer): Answer | null {
  const headEnd = bytes.indexOf(HEAD_END)
  if (headEnd < 0) return null
  const status =
    ((bytes[9] ?? 0) - 48) * 100 + ((bytes[10] ?? 0) - 48) * 10 + ((bytes[11] ?? 0) - 48)
  const bodyAt = headEnd + 4
  if (status === 204 || status === 304) return { status, length: bodyAt }
  const head = bytes.toString('latin1', 0, headEnd)
  const counted = /\r\ncontent-length: *(\d+)/i.exec(head)
  if (counted !== null) {
    const length = bodyAt + Number(counted[1])
    return bytes.length < length ? null : { status, length }
  }
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return { status, length: bodyAt }
  if (bytes.toString('latin1', bodyAt, bodyAt + 5) === EMPTY_CHUNKED)
    return { status, length: bodyAt + 5 }
  const end = bytes.indexOf(CHUNKED_END, bodyAt)
  return end < 0 ? null : { status, length: end + CHUNKED_END.length }
}
