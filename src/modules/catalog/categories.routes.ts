import { RouteGroup, t } from '#infra/http'
import type { CategoryService } from './categories'
import { CategoryBody, CategoryParams, CategoryView } from './schemas'

export const categoryRoutes = (categories: CategoryService) =>
  new RouteGroup('/categories', 'Categories')
    .get(
      '',
      { permission: 'public', summary: 'All categories', response: t.Array(CategoryView) },
      () => categories.list(),
    )
    .get(
      '/:id',
      {
        permission: 'public',
        summary: 'A category',
        params: CategoryParams,
        response: CategoryView,
      },
      ({ params }) => categories.get(params.id),
    )
    .post(
      '',
      {
        permission: 'categories:write',
        summary: 'Add a category',
        body: CategoryBody,
        response: CategoryView,
        status: 201,
        problems: [409],
      },
      ({ body }) => categories.create(body),
    )
    .put(
      '/:id',
      {
        permission: 'categories:write',
        summary: 'Change a category',
        params: CategoryParams,
        body: CategoryBody,
        response: CategoryView,
        problems: [409],
      },
      ({ params, body }) => categories.update(params.id, body),
    )
    .delete(
      '/:id',
      {
        permission: 'categories:write',
        summary: 'Delete a category that no API is in',
        params: CategoryParams,
        status: 204,
        problems: [409],
      },
      ({ params }) => categories.delete(params.id),
    )
