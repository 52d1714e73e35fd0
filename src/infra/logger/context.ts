import { AsyncLocalStorage } from 'node:async_hooks'

/** What every log line of one request carries. */
export interface RequestContext {
  requestId: string
  userId?: string
}

const storage = new AsyncLocalStorage<RequestContext>()

export const currentContext = (): RequestContext | undefined => storage.getStore()

export function runInContext<T>(context: RequestContext, work: () => T): T {
  return storage.run(context, work)
}

/** Known only after authentication, hence set later than the rest. */
export function setContextUser(userId: string): void {
  const context = storage.getStore()
  if (context) context.userId = userId
}
