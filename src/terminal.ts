import type { Config } from '#app/config'
import type { Started } from './veil'

/** For the person who typed the command: plain text on standard output; logs go to standard error. */
const say = (text: string): boolean => process.stdout.write(`${text}\n`)

export const printProgress = (message: string): boolean => say(`  ${message} …`)

export const printError = (message: string): boolean =>
  process.stderr.write(`\nVeil did not start or had to stop.\n\n${message}\n`)

export function printReady(config: Config, { admin, milliseconds }: Started): void {
  const { host, port, gateway } = config
  const api = `http://${host === '0.0.0.0' ? 'localhost' : host}:${port}`
  say(`
Veil is ready (${(milliseconds / 1000).toFixed(1)} s).

  Swagger UI    ${api}/swagger
  REST API      ${api}
  Gateway       ${gateway.publicUrl}/{api}/…
  Health        ${api}/health/ready
`)
  if (admin.password !== undefined)
    say(`  First admin   ${admin.email}
  Password      ${admin.password}   (shown once: keep it)
`)
  say(`What next: \`npm run demo\` in another terminal tells the whole story; Ctrl-C ends everything.
`)
}
