import type { Db } from '#db/client'
import { postgresCodeOf, violates } from '#db/errors'
import type { Clock } from '#lib/clock'
import { newId, parseId } from '#lib/id'
import { CategoryInUse, CategoryNotFound, CategoryTaken } from './errors'
import type { Category } from './repository'
import * as catalog from './repository'
import type { CategoryInput } from './schemas'

const FOREIGN_KEY_VIOLATION = '23503'

const view = ({ id, slug, name, description }: Category) => ({ id, slug, name, description })

export class CategoryService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  async list() {
    return (await catalog.listCategories(this.db)).map(view)
  }

  async get(id: string) {
    const known = parseId('cat', id)
    const category = known && (await catalog.findCategory(this.db, { id: known }))
    if (!category) throw new CategoryNotFound(id)
    return view(category)
  }

  async create(input: CategoryInput) {
    const row = {
      ...{ slug: input.slug, name: input.name, description: input.description ?? '' },
      id: newId('cat', this.clock),
      createdAt: this.clock.now(),
    }
    await this.unlessTaken(input.slug, catalog.insertCategory(this.db, row))
    return view(row)
  }

  async update(id: string, input: CategoryInput) {
    const known = parseId('cat', id)
    if (!known) throw new CategoryNotFound(id)
    const set = { ...input, description: input.description ?? '' }
    const row = await this.unlessTaken(input.slug, catalog.updateCategory(this.db, known, set))
    if (!row) throw new CategoryNotFound(id)
    return view(row)
  }

  async delete(id: string): Promise<void> {
    const known = parseId('cat', id)
    try {
      if (known && (await catalog.deleteCategory(this.db, known))) return
    } catch (error) {
      if (postgresCodeOf(error)?.code === FOREIGN_KEY_VIOLATION) throw new CategoryInUse(id)
      throw error
    }
    throw new CategoryNotFound(id)
  }

  private async unlessTaken<T>(slug: string, write: Promise<T>): Promise<T> {
    try {
      return await write
    } catch (error) {
      if (violates(error, 'api_categories_slug_unique')) throw new CategoryTaken(slug)
      throw error
    }
  }
}
