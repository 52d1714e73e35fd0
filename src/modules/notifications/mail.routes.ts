import { pageRequest, RouteGroup } from '#infra/http'
import type { MailService } from './mail.service'
import { MailPage, MailParams, MailQuery, MailView } from './schemas'

export const mailRoutes = (mails: MailService) =>
  new RouteGroup('/admin/mails', 'Admin')
    .get(
      '',
      {
        permission: 'mails:read',
        summary: 'Mails that Veil wrote, newest first (90 days)',
        query: MailQuery,
        response: MailPage,
      },
      ({ query }) => mails.list(query.state, pageRequest(query, 'mail')),
    )
    .get(
      '/:id',
      {
        permission: 'mails:read',
        summary: 'A mail that Veil wrote',
        params: MailParams,
        response: MailView,
      },
      ({ params }) => mails.get(params.id),
    )
