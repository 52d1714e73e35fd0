import { StripeRefusal } from './refusal'

export type FormValue = string | FormValue[] | { [name: string]: FormValue }
export type Form = { [name: string]: FormValue }

/** `a[b][0][c]=1` as `{ a: { b: [{ c: '1' }] } }`, as Stripe reads bodies and queries. */
export function parseForm(text: string): Form {
  const root: Form = {}
  for (const [name, value] of new URLSearchParams(text)) {
    const path = name.split(/\[|\]\[|\]/).filter((part, at) => part !== '' || at === 0)
    const last = path.pop() ?? name
    let node: any = root
    for (const part of path) node = node[part] ??= {}
    if (name.endsWith('[]')) node[last] = [...(node[last] ?? []), value]
    else node[last] = value
  }
  return listsIn(root) as Form
}

/** Maps whose names are 0, 1, 2 … are lists. */
function listsIn(value: FormValue): FormValue {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(listsIn)
  const entries = Object.entries(value).map(([name, item]) => [name, listsIn(item)] as const)
  const isList = entries.length > 0 && entries.every(([name], at) => name === String(at))
  return isList ? entries.map(([, item]) => item) : Object.fromEntries(entries)
}

/** Every leaf as `a.b.#.c`, where # stands for a place in a list. */
function leaves(value: FormValue, path = ''): string[] {
  if (typeof value === 'string') return [path]
  if (Array.isArray(value)) return value.flatMap((item) => leaves(item, `${path}.#`))
  return Object.entries(value).flatMap(([name, item]) =>
    leaves(item, path === '' ? name : `${path}.${name}`),
  )
}

/** Refuses what the endpoint does not know, as Stripe does. `metadata.*` allows any name below. */
export function requireKnown(form: Form, known: readonly string[]): void {
  const isKnown = (leaf: string) =>
    known.some((name) => (name.endsWith('.*') ? leaf.startsWith(name.slice(0, -1)) : leaf === name))
  const unknown = leaves(form).find((leaf) => !isKnown(leaf))
  if (unknown !== undefined)
    throw new StripeRefusal(400, {
      ...{ type: 'invalid_request_error', code: 'parameter_unknown', param: unknown },
      message: `Received unknown parameter: ${unknown}`,
    })
}

export function text(form: Form, name: string): string | null {
  const value = form[name]
  return typeof value === 'string' && value !== '' ? value : null
}

export function needed(form: Form, name: string): string {
  const value = text(form, name)
  if (value !== null) return value
  throw new StripeRefusal(400, {
    ...{ type: 'invalid_request_error', code: 'parameter_missing', param: name },
    message: `Missing required param: ${name}.`,
  })
}

export function integer(value: FormValue | undefined, name: string): number {
  if (typeof value === 'string' && /^-?\d+$/.test(value)) return Number(value)
  throw new StripeRefusal(400, {
    ...{ type: 'invalid_request_error', code: 'parameter_invalid_integer', param: name },
    message: `Invalid integer: ${String(value)}`,
  })
}

export function metadataOf(form: Form): Record<string, string> {
  const { metadata } = form
  return (typeof metadata === 'object' && !Array.isArray(metadata) ? metadata : {}) as Record<
    string,
    string
  >
}
