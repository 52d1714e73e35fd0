import { lookup } from 'node:dns'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { type OutboundPolicy, outboundRefusal, portOf } from '#lib/outbound'

export interface Post {
  headers: Record<string, string>
  body: string
  policy: OutboundPolicy
  /** From the look-up of the name to the last byte that is read. */
  timeoutMs: number
  /** Bytes of the answer that are read; the rest is left. */
  answerLimit: number
  /** How names are resolved; as the system does unless stated. */
  resolve?: typeof lookup
}

export interface PostAnswer {
  status: number
  /** The beginning of it, as text. */
  body: string
}

/** There was no answer; the message says why, in words for the person whose server it is. */
export class PostFailed extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options)
    this.name = 'PostFailed'
  }
}

/**
 * Posts once to an address that somebody gave us. Redirects are answers and not followed. The
 * connection goes to the very address that was checked, so that a name which resolves to something
 * else a moment later leads nowhere.
 * @throws PostFailed
 */
export async function postOutside(url: URL, post: Post): Promise<PostAnswer> {
  const port = portOf(url)
  const refusal = outboundRefusal(url.hostname, port, post.policy)
  if (refusal !== null) throw new PostFailed(refusal)
  const signal = AbortSignal.timeout(post.timeoutMs)
  try {
    const response = await send(url, post, checkedLookup(port, post), signal)
    return { status: response.statusCode ?? 0, body: await beginningOf(response, post.answerLimit) }
  } catch (error) {
    if (signal.aborted) throw new PostFailed(`no answer within ${post.timeoutMs / 1000} seconds`)
    throw error instanceof PostFailed ? error : new PostFailed(reasonOf(error), { cause: error })
  }
}

function send(
  url: URL,
  { headers, body }: Post,
  lookupName: LookupFunction,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', headers, lookup: lookupName, agent: false, signal }
    request(url, options, resolve).on('error', reject).end(body)
  })
}

/** Resolves a name; one that has any address which must not be called is not called at all. */
function checkedLookup(port: number, { policy, resolve = lookup }: Post): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '')
      const forbidden = addresses.find(
        ({ address }) => isIP(address) === 0 || outboundRefusal(address, port, policy) !== null,
      )
      const [first] = addresses
      if (forbidden || !first)
        return callback(new PostFailed(`${hostname} leads to an address that is not allowed`), '')
      return options.all ? callback(null, addresses) : callback(null, first.address, first.family)
    })
  }
}

async function beginningOf(response: IncomingMessage, limit: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.byteLength
    if (size >= limit) break
  }
  response.destroy()
  return Buffer.concat(chunks).subarray(0, limit).toString('utf8')
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code === undefined ? message : `${code}: ${message}`
}
