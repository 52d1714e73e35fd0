/** Bun's server doing nothing but answering: the peer of `bench authorize`, the upstream of `bench gateway`. */
const { status } = JSON.parse(process.argv[2] ?? '{}') as { status: number }

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  // Connections stay while others are measured.
  idleTimeout: 0,
  fetch: () => (status === 204 ? new Response(null, { status }) : new Response('ok', { status })),
})

process.on('disconnect', () => process.exit(0))
process.send?.({ port: server.port })
