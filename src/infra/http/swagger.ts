import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Elysia } from 'elysia'

const resolve = createRequire(import.meta.url).resolve

const ASSETS = {
  'swagger-ui.css': 'text/css',
  'swagger-ui-bundle.js': 'text/javascript',
} as const

// The page loads scripts as files only, so a strict policy needs no exception for inline code.
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src *; base-uri 'none'; frame-ancestors 'none'"

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Veil API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/swagger/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/swagger/swagger-ui-bundle.js"></script>
<script src="/swagger/start.js"></script>
</body>
</html>
`

const START = `SwaggerUIBundle({
  url: '/swagger/json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  docExpansion: 'none',
  filter: true,
})
`

/** Swagger UI with every byte served by us: it works without internet and under a strict CSP. */
export function mountDocs(app: Elysia, document: unknown): void {
  const json = JSON.stringify(document)
  const open = { permission: 'public' } as never
  const answer = (body: string | Uint8Array<ArrayBuffer>, type: string) => () =>
    new Response(body, {
      headers: {
        'content-type': `${type}; charset=utf-8`,
        'content-security-policy': CONTENT_SECURITY_POLICY,
        'x-content-type-options': 'nosniff',
      },
    })
  app.get('/swagger', answer(PAGE, 'text/html'), open)
  app.get('/swagger/json', answer(json, 'application/json'), open)
  app.get('/swagger/start.js', answer(START, 'text/javascript'), open)
  for (const [file, type] of Object.entries(ASSETS)) {
    const body = new Uint8Array(readFileSync(resolve(`swagger-ui-dist/${file}`)))
    app.get(`/swagger/${file}`, answer(body, type), open)
  }
}
