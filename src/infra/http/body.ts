import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { BodyTooLarge, EncodingUnknown, MalformedBody } from './errors'

const JSON_TYPE = /^application\/(?:[\w.!#$&^-]+\+)?json\s*(?:;|$)/i

const unzip = promisify(gunzip)

/**
 * The JSON body of a request, plain or gzipped. Read here and not by Elysia, so that a stranger is
 * turned away before a byte is parsed, and a body that is too large gets an answer that says so.
 *
 * @param limit bytes, of what was sent and of what is in it
 * @throws BodyTooLarge (413), MalformedBody (400), EncodingUnknown (415)
 */
export async function readJson(request: Request, limit: number): Promise<unknown> {
  const { headers } = request
  if (Number(headers.get('content-length') ?? 0) > limit) throw new BodyTooLarge(limit)
  if (!JSON_TYPE.test(headers.get('content-type') ?? '')) throw new MalformedBody()
  const encoding = headers.get('content-encoding')?.toLowerCase() ?? 'identity'
  if (encoding !== 'identity' && encoding !== 'gzip') throw new EncodingUnknown()
  const sent = await readAtMost(request, limit)
  const bytes = encoding === 'gzip' ? await unpack(sent, limit) : sent
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new MalformedBody()
  }
}

/**
 * The body of a request as it came, for whoever has to check a signature over it.
 * @throws BodyTooLarge (413)
 */
export async function readText(request: Request, limit: number): Promise<string> {
  return Buffer.from(await readAtMost(request, limit)).toString('utf8')
}

/** Stops at the limit: a bomb does not get to unfold. */
async function unpack(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  try {
    return await unzip(bytes, { maxOutputLength: limit })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw code === 'ERR_BUFFER_TOO_LARGE' ? new BodyTooLarge(limit) : new MalformedBody()
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
