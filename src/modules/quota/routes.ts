import { PageQuery, pageRequest, RouteGroup, t } from '#infra/http'
import { KeyIdParams, QuotaPage, QuotaView } from './schemas'
import type { QuotaService } from './service'

export const quotaRoutes = (quota: QuotaService) =>
  new RouteGroup('/quota', 'Quota')
    .get(
      '',
      {
        permission: 'usage:read',
        summary: 'Quota of every subscription of yours, newest first',
        query: t.Object(PageQuery),
        response: QuotaPage,
      },
      ({ actor, query }) => quota.list(actor, pageRequest(query, 'sub')),
    )
    .get(
      '/:keyId',
      {
        permission: 'usage:read',
        summary: 'The quota that a key draws on',
        params: KeyIdParams,
        response: QuotaView,
      },
      ({ actor, params }) => quota.ofKey(actor, params.keyId),
    )
