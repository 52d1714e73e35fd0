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
<link rel="stylesheet" href="/swagger/veil.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/swagger/swagger-ui-bundle.js"></script>
<script src="/swagger/start.js"></script>
</body>
</html>
`

// Less air, so that the first operations come into sight.
const STYLE = `body { margin: 0 }
.swagger-ui .info { margin: 24px 0 12px }
.swagger-ui .info hgroup.main { margin-bottom: 12px }
.swagger-ui .info .info__license { display: none }
.swagger-ui .scheme-container { margin: 0; padding: 0 0 12px; box-shadow: none }
.swagger-ui .scheme-container .schemes { justify-content: flex-end }
.swagger-ui .filter .operation-filter-input { margin: 0 0 8px }
.swagger-ui .opblock-tag { padding: 8px 12px; font-size: 20px }
.swagger-ui .opblock { margin-bottom: 8px }
`

const START = `SwaggerUIBundle({
  url: '/swagger/json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
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
  app.get('/swagger/veil.css', answer(STYLE, 'text/css'), open)
  app.get('/swagger/start.js', answer(START, 'text/javascript'), open)
  for (const [file, type] of Object.entries(ASSETS)) {
    const body = new Uint8Array(readFileSync(resolve(`swagger-ui-dist/${file}`)))
    app.get(`/swagger/${file}`, answer(body, type), open)
  }
}
