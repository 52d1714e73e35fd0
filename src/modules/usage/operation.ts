const LONGEST = 200

/** Without one of these there is nothing in a path that could be an id. */
const SUSPICIOUS = /[\d@]|[^/]{24}/
const NUMBER = /^-?\d+(\.\d+)?$/
const UUID = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i
/** Digits among letters, and too long for a word with a version: `v2` and `oauth2` stay. */
const TOKEN = /^(?=.*\d)[\w~.%=-]{12,}$/
const PERSON = /@|%40/i

/** What was called, with everything replaced that names one thing of many: `GET /orders/{id}/lines`. */
export function operationOf(method: string, path: string): string {
  if (!SUSPICIOUS.test(path)) return `${method} ${path}`.slice(0, LONGEST)
  const template = path.split('/').map((part) => (isId(part) ? '{id}' : part))
  return `${method} ${template.join('/')}`.slice(0, LONGEST)
}

const isId = (part: string): boolean =>
  NUMBER.test(part) || UUID.test(part) || TOKEN.test(part) || PERSON.test(part) || part.length >= 40
