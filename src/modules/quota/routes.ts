import { PageQuery, pageRequest, RouteGroup, t } from '#infra/http'
import {
  ExhaustionEstimate,
  KeyIdParams,
  QuotaAlertPage,
  QuotaCheckBody,
  QuotaCheckOutcome,
  QuotaPage,
  QuotaView,
  UsageByApi,
} from './schemas'
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
      '/alerts',
      {
        permission: 'usage:read',
        summary: 'Subscriptions that have used half of their quota, or will use it up',
        description: 'A page may be short: subscriptions whose quota will do are left out of it.',
        query: t.Object(PageQuery),
        response: QuotaAlertPage,
      },
      ({ actor, query }) => quota.alerts(actor, pageRequest(query, 'sub')),
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
    .get(
      '/:keyId/usage-by-api',
      {
        permission: 'usage:read',
        summary: 'What was counted for the API of a key in the running period',
        params: KeyIdParams,
        response: UsageByApi,
      },
      ({ actor, params }) => quota.usageByApi(actor, params.keyId),
    )
    .get(
      '/:keyId/exhaustion-estimate',
      {
        permission: 'usage:read',
        summary: 'When the quota of a key will be used up',
        params: KeyIdParams,
        response: ExhaustionEstimate,
      },
      ({ actor, params }) => quota.exhaustionEstimate(actor, params.keyId),
    )
    .post(
      '/:keyId/check',
      {
        permission: 'usage:read',
        summary: 'Whether so many units would pass now',
        description: 'Asks only; nothing is reserved.',
        params: KeyIdParams,
        body: QuotaCheckBody,
        response: QuotaCheckOutcome,
      },
      ({ actor, params, body }) => quota.check(actor, params.keyId, body.units),
    )
