import { BodyTooLarge, MalformedBody } from './errors'

const JSON_TYPE = /^application\/(?:[\w.!#$&^-]+\+)?json\s*(?:;|$)/i

/**
 * The JSON body of a request. Read here and not by Elysia, so that a stranger is turned away before
 * a byte is parsed, and a body that is too large gets an answer that says so.
 *
 * @param limit bytes
 * @throws BodyTooLarge (413), MalformedBody (400)
 */
export async function readJson(request: Request, limit: number): Promise<unknown> {
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw new BodyTooLarge(limit)
  if (!JSON_TYPE.test(request.headers.get('content-type') ?? '')) throw new MalformedBody()
  const bytes = await readAtMost(request, limit)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new MalformedBody()
  }
}

/** Counts while it reads: a chunked body does not say beforehand how long it will be. */
async function readAtMost(request: Request, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength
    if (size > limit) throw new BodyTooLarge(limit)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
