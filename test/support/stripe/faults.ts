/**
 * What goes wrong with a request: refused before anything is done (a status), never answered, done and
 * then answered with a status, done and then never answered, done and then the line breaks.
 */
export type StripeFault =
  | { kind: 'refuse'; status: number }
  | { kind: 'silent' }
  | { kind: 'reset' }
  | { kind: 'done-then'; status: number }
  | { kind: 'done-then-silent' }
  | { kind: 'done-then-reset' }
  /** Runs before anything is done, such as a kill. */
  | { kind: 'before'; run: () => Promise<void> | void }
  /** Runs when its idempotency key is taken and nothing is done yet. */
  | { kind: 'during'; run: () => Promise<void> | void }
  /** Runs when it is done and not yet answered. */
  | { kind: 'after'; run: () => Promise<void> | void }

interface Planned {
  method: string
  path: RegExp
  fault: StripeFault
  left: number
}

/** The faults that wait for a request that they are meant for. */
export class Faults {
  private planned: Planned[] = []

  /** @param request such as `POST /v1/refunds`; the path may be its beginning or have a `*` */
  inject(request: string, fault: StripeFault, times = 1): void {
    const [method = 'POST', path = '/'] = request.split(' ')
    const pattern = path.replaceAll(/[.?+]/g, String.raw`\$&`).replaceAll('*', '[^/]+')
    this.planned.push({ method, path: new RegExp(`^${pattern}$`), fault, left: times })
  }

  clear(): void {
    this.planned = []
  }

  take(method: string, path: string): StripeFault | null {
    const found = this.planned.find(
      (planned) => planned.left > 0 && planned.method === method && planned.path.test(path),
    )
    if (!found) return null
    found.left--
    return found.fault
  }
}
