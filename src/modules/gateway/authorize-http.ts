import type { Socket, TCPSocketListener, UnixSocketListener } from 'bun'
import type { PinnedCertificate } from '#lib/pinned-certificate'
import { emptyHead, INCOMPLETE, MALFORMED, type RequestHead, readHead } from './authorize-head'

export type EdgeListen = { host: string; port: number } | { unix: string }

/** A whole HTTP/1.1 answer as text (ASCII or UTF-8), or a promise of it. Must not keep the head. */
export type AnswerHead = (head: RequestHead) => string | Promise<string>

export interface HeadServerOptions {
  listen: EdgeListen
  /** Speaks TLS with it; plain text without. */
  certificate?: PinnedCertificate
  answer: AnswerHead
  /** The answer to what cannot be read; the connection ends after it. */
  malformed: () => string
}

export interface HeadServer {
  readonly port: number | null
  /** Takes no more connections, finishes the calls at hand, ends idle connections. */
  stop(): Promise<void>
}

interface Connection {
  /** Bytes that are not a whole request yet, as latin1. */
  pending: string
  /** Bytes of a body still to be skipped. */
  skip: number
  /** An answer is being looked up: later requests wait, so that answers keep their order. */
  waiting: boolean
  /** The rest of an answer that the socket did not take. */
  unsent: Buffer | null
  /** Ends once everything is answered and sent. */
  ending: boolean
}

type EdgeSocket = Socket<Connection>

/** No head of the gateway comes near; beyond it the connection is no use. */
const MOST_HEAD = 64 * 1024
/** Requests that may pile up behind one that is being looked up. */
const MOST_PENDING = 4 * MOST_HEAD
const DRAIN_MS = 5_000

/**
 * A small HTTP/1.1 server for requests whose head says everything: keep-alive, pipelining, back
 * pressure; no body is read, it is skipped. Why not `Bun.serve`: making its `Headers` costs 1.6 µs
 * for a request and 1.3 µs for an answer, where its whole bare round trip takes 5.8 µs of CPU. The
 * same decisions behind `Bun.serve` reach 0.47 of its bare rate, behind this 0.72 to 0.79
 * (`npm run bench authorize`; docs/decisions/0009).
 */
export class HeadHttpServer implements HeadServer {
  readonly #options: HeadServerOptions
  readonly #listener: TCPSocketListener<Connection> | UnixSocketListener<Connection>
  readonly #sockets = new Set<EdgeSocket>()
  readonly #head = emptyHead()
  #stopping: PromiseWithResolvers<void> | null = null

  constructor(options: HeadServerOptions) {
    this.#options = options
    this.#listener = this.#listen(options)
  }

  get port(): number | null {
    return 'unix' in this.#options.listen ? null : (this.#listener as { port: number }).port
  }

  async stop(): Promise<void> {
    if (this.#stopping !== null) return this.#stopping.promise
    this.#stopping = Promise.withResolvers<void>()
    this.#listener.stop()
    for (const socket of this.#sockets) {
      socket.data.ending = true
      endWhenDone(socket)
    }
    if (this.#sockets.size === 0) this.#stopping.resolve()
    const late = setTimeout(() => {
      for (const socket of this.#sockets) socket.terminate()
    }, DRAIN_MS)
    await this.#stopping.promise
    clearTimeout(late)
  }

  #listen({ listen, certificate }: HeadServerOptions) {
    const socket = {
      open: (opened: EdgeSocket) => this.#open(opened),
      data: (from: EdgeSocket, bytes: Buffer) => this.#receive(from, bytes.toString('latin1')),
      drain: (to: EdgeSocket) => flush(to),
      close: (closed: EdgeSocket) => this.#closed(closed),
      error: (broken: EdgeSocket) => broken.terminate(),
    }
    const tls = certificate && {
      tls: { key: certificate.privateKeyPem, cert: certificate.certificatePem },
    }
    return 'unix' in listen
      ? Bun.listen<Connection>({ unix: listen.unix, socket, ...tls })
      : Bun.listen<Connection>({ hostname: listen.host, port: listen.port, socket, ...tls })
  }

  #open(socket: EdgeSocket): void {
    const ending = this.#stopping !== null
    socket.data = { pending: '', skip: 0, waiting: false, unsent: null, ending }
    this.#sockets.add(socket)
    if (ending) socket.end()
  }

  #closed(socket: EdgeSocket): void {
    this.#sockets.delete(socket)
    if (this.#sockets.size === 0) this.#stopping?.resolve()
  }

  #receive(socket: EdgeSocket, text: string): void {
    const connection = socket.data
    // What follows a last request or an unreadable one is nobody's.
    if (connection.ending) return
    const whole = connection.pending === '' ? text : connection.pending + text
    if (connection.waiting) {
      connection.pending = whole
      if (whole.length > MOST_PENDING) socket.terminate()
      return
    }
    this.#answerAll(socket, whole)
  }

  /** Answers every whole request in `text` and keeps the rest. */
  #answerAll(socket: EdgeSocket, text: string): void {
    const connection = socket.data
    let at = 0
    while (at < text.length && !connection.waiting && !connection.ending) {
      const skipped = Math.min(connection.skip, text.length - at)
      connection.skip -= skipped
      at += skipped
      if (at === text.length) break
      const next = readHead(text, at, this.#head)
      const length = (next === INCOMPLETE ? text.length : next) - at
      if (next === MALFORMED || length > MOST_HEAD) {
        connection.ending = true
        connection.pending = ''
        send(socket, this.#options.malformed())
        return
      }
      if (next === INCOMPLETE) break
      at = next
      connection.skip = Math.max(0, this.#head.contentLength)
      if (this.#head.lastOfConnection) connection.ending = true
      this.#answerOne(socket)
    }
    connection.pending = at === text.length ? '' : text.slice(at)
    if (connection.ending) endWhenDone(socket)
  }

  #answerOne(socket: EdgeSocket): void {
    const answer = this.#options.answer(this.#head)
    if (typeof answer === 'string') {
      send(socket, answer)
      return
    }
    socket.data.waiting = true
    answer.then(
      (text) => this.#resume(socket, text),
      () => socket.terminate(),
    )
  }

  #resume(socket: EdgeSocket, answer: string): void {
    if (!this.#sockets.has(socket)) return
    socket.data.waiting = false
    send(socket, answer)
    this.#answerAll(socket, socket.data.pending)
  }
}

function send(socket: EdgeSocket, answer: string): void {
  const connection = socket.data
  if (connection.unsent !== null) {
    connection.unsent = Buffer.concat([connection.unsent, Buffer.from(answer)])
    return
  }
  const written = socket.write(answer)
  // Negative: the socket is gone, its close comes next. Answers are ASCII except for problems.
  if (written >= 0 && written < answer.length) {
    connection.unsent = Buffer.from(answer).subarray(written)
  }
  if (connection.ending) endWhenDone(socket)
}

function flush(socket: EdgeSocket): void {
  const { unsent } = socket.data
  if (unsent === null) return
  const written = Math.max(0, socket.write(unsent))
  socket.data.unsent = written < unsent.length ? unsent.subarray(written) : null
  if (socket.data.ending) endWhenDone(socket)
}

function endWhenDone(socket: EdgeSocket): void {
  const { waiting, unsent } = socket.data
  if (!waiting && unsent === null) socket.end()
}
