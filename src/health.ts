import type { Container } from '#app/container'
import { RouteGroup, t } from '#infra/http'
import { AppError } from '#lib/errors'
import type { CaddyAdmin } from '#modules/gateway'

const PARTS = ['postgres', 'gateway', 'edge'] as const

const ReadyView = t.Object(
  { status: t.Literal('ready'), parts: t.Array(t.String(), { description: 'What was asked.' }) },
  { $id: 'Readiness' },
)

class NotReady extends AppError {
  readonly kind = 'unavailable'
  readonly code = 'not_ready'
  constructor(missing: string[]) {
    super(`Not ready: ${missing.join(', ')}.`, { retryAfter: 2 })
  }
}

/** A part that does not answer within this time is not ready. */
const PATIENCE_MS = 2_000

/** Null when the probe held, else the part with the kind of trouble, never with an address. */
async function missing(part: string, probe: () => Promise<unknown>): Promise<string | null> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), PATIENCE_MS)
  })
  try {
    await Promise.race([probe(), late])
    return null
  } catch (error) {
    const { code } = error as { code?: string }
    return `${part} (${code ?? 'does not answer'})`
  } finally {
    clearTimeout(timer)
  }
}

async function gatewayAnswers(gateways: CaddyAdmin[]): Promise<void> {
  const answers = await Promise.all(gateways.map((gateway) => gateway.ping()))
  if (answers.includes(false)) throw new Error('a gateway does not answer')
}

export const healthRoutes = ({ sql, gateways, edges }: Container) =>
  new RouteGroup('/health', 'System')
    .get(
      '/live',
      {
        permission: 'public',
        summary: 'The process runs',
        response: t.Object({ status: t.Literal('ok') }),
      },
      () => ({ status: 'ok' as const }),
    )
    .get(
      '/ready',
      {
        permission: 'public',
        summary: 'Everything that is needed answers; if not, which part does not',
        response: ReadyView,
        problems: [503],
      },
      async () => {
        const probes = {
          postgres: () => sql`select 1`,
          gateway: () => gatewayAnswers(gateways),
          edge: () => edges.requireAlive(edges.dials[0] ?? ''),
        }
        const found = await Promise.all(PARTS.map((part) => missing(part, probes[part])))
        const absent = found.filter((part) => part !== null)
        if (absent.length > 0) throw new NotReady(absent)
        return { status: 'ready' as const, parts: [...PARTS] }
      },
    )
