import type { Config } from '#app/config'

/** For the person who typed the command: plain text on standard output; logs go to standard error. */
const say = (text: string): boolean => process.stdout.write(`${text}\n`)

export const printProgress = (message: string): boolean => say(`  ${message} …`)

export const printError = (message: string): boolean => say(`\n${message}\n`)

export const printFirstAdmin = (email: string, password: string): boolean =>
  say(`
  First admin   ${email}
  Password      ${password}   (shown once: keep it)`)

/** Where everything is, and what to do next; a process without the API says only that it runs. */
export function printReady(config: Config, milliseconds: number): void {
  const { url, gateway, roles } = config
  const seconds = (milliseconds / 1000).toFixed(1)
  if (!roles.includes('api')) {
    say(`\nVeil is ready (${seconds} s): ${roles.join(', ')}. Ctrl-C ends it.\n`)
    return
  }
  say(`
Veil is ready (${seconds} s).

  Swagger UI    ${url}/swagger
  REST API      ${url}
  Gateway       ${gateway.publicUrl}/{api}/…
  Health        ${url}/health/ready

What next: \`npm run demo\` in another terminal tells the whole story; Ctrl-C ends everything.
`)
}
