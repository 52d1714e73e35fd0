import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Locator, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findChromium, installChromium } from '#infra/embedded'
import { eventually, TestVeil } from '#test/veil'

/** `SWAGGER_SCREENSHOT=docs/images/swagger-ui.png` writes the picture of the README anew. */
const SCREENSHOT =
  process.env.SWAGGER_SCREENSHOT ?? 'node_modules/.cache/screenshots/swagger-ui.png'

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const program = findChromium() ?? (await installChromium((message) => console.log(message)))
const NOT_RUN =
  'NOT RUN: Swagger UI was not tried in a browser, since this machine has no Chromium. ' +
  'Install it (apt-get install chromium) and run the tests again.'

/** What the page did that it must not do. */
interface Watch {
  strangers: string[]
  complaints: string[]
}

async function openBrowser(
  path: string,
  profile: string,
  origin: string,
): Promise<BrowserContext & { watch: Watch }> {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: path,
    args: FLAGS,
    viewport: { width: 1280, height: 900 },
  })
  const watch: Watch = { strangers: [], complaints: [] }
  await context.route('**', (route) => {
    const { origin: asked, protocol } = new URL(route.request().url())
    if (asked === origin || protocol === 'data:') return route.continue()
    watch.strangers.push(route.request().url())
    return route.abort()
  })
  return Object.assign(context, { watch })
}

/** Console errors hold what the Content-Security-Policy refuses, too. */
async function openPage(context: BrowserContext, watch: Watch): Promise<Page> {
  const page = await context.newPage()
  page.on('console', (message) => {
    if (message.type() === 'error') watch.complaints.push(message.text())
  })
  page.on('pageerror', (error) => watch.complaints.push(String(error)))
  await page.addInitScript(`document.addEventListener('securitypolicyviolation', (event) =>
    console.error('violates', event.violatedDirective, event.blockedURI))`)
  return page
}

/** Two frames: the list, which draws only what is in sight, has drawn what is there now. */
const DRAWN = `new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))`

/** Goes down the page from its top until `isFound`, or to its end. @returns whether it was found */
async function scrollUntil(page: Page, isFound: () => Promise<boolean>): Promise<boolean> {
  await page.evaluate('window.scrollTo(0, 0)')
  for (;;) {
    await page.evaluate(DRAWN)
    if (await isFound()) return true
    const before = await page.evaluate('window.scrollY')
    await page.evaluate('window.scrollBy(0, 500)')
    if ((await page.evaluate('window.scrollY')) === before) return false
  }
}

/** An operation of the list, in sight. */
async function operationOf(page: Page, id: string): Promise<Locator> {
  const operation = page.locator(`#operations-${id}`)
  expect(await scrollUntil(page, async () => (await operation.count()) > 0), id).toBe(true)
  return operation
}

if (program === null) {
  test('Swagger UI in a browser', (context) => {
    // Where everything can be installed, a missing browser is a broken set-up, not an excuse.
    if (process.env.CI) throw new Error(NOT_RUN)
    console.error(`*** ${NOT_RUN} ***`)
    context.skip(NOT_RUN)
  })
} else {
  describe('Swagger UI in Chromium', () => {
    let veil: TestVeil
    let browser: BrowserContext & { watch: Watch }
    let page: Page
    const profile = mkdtempSync(join(tmpdir(), 'veil-chromium-'))

    beforeAll(async () => {
      veil = await TestVeil.start()
      browser = await openBrowser(program, profile, veil.url)
      page = await openPage(browser, browser.watch)
      await page.goto(`${veil.url}/swagger`)
    })
    afterAll(async () => {
      await browser?.close()
      await veil?.stop()
      rmSync(profile, { recursive: true, force: true })
    })

    test('renders every operation of the document', async () => {
      const { paths } = await veil.expectOk('GET', '/swagger/json')
      const count = Object.values<object>(paths).flatMap((path) => Object.keys(path)).length
      expect(count).toBeGreaterThan(100)
      await page.locator('.opblock').first().waitFor()
      const seen = new Set<string>()
      await scrollUntil(page, async () => {
        const ids = await page
          .locator('.opblock')
          .evaluateAll((blocks) => blocks.map(({ id }) => id))
        for (const id of ids) seen.add(id)
        return false
      })
      expect(seen.size).toBe(count)
      expect(await page.locator('.errors-wrapper').count()).toBe(0)
    })

    test('sends a call with the token that was given under Authorize', async () => {
      const { token, email } = await veil.user('provider', 'consumer')
      await page.getByRole('button', { name: 'Authorize' }).first().click()
      const dialog = page.locator('.dialog-ux')
      const bearer = dialog.locator('.auth-container').first()
      await bearer.locator('#auth-bearer-value').fill(token)
      await bearer.getByRole('button', { name: 'Apply credentials' }).click()
      await dialog.getByRole('button', { name: 'Close' }).first().click()

      const operation = await operationOf(page, 'Identity-getAuthMe')
      await operation.locator('.opblock-summary-control').click()
      await operation.getByRole('button', { name: 'Execute' }).click()
      const answer = operation.locator('.live-responses-table .response')
      await answer.waitFor()
      expect(await answer.locator('.response-col_status').textContent()).toContain('200')
      expect(await answer.locator('.response-col_description').textContent()).toContain(email)
      await operation.locator('.opblock-summary-control').click()
    })

    test('fills in an example that is accepted as it is', async () => {
      const operation = await operationOf(page, 'Provider-postProviderApis')
      await operation.locator('.opblock-summary-control').click()
      await operation.getByRole('button', { name: 'Execute' }).click()
      const answer = operation.locator('.live-responses-table .response')
      await answer.waitFor()
      expect(await answer.locator('.response-col_status').textContent()).toContain('201')
      await operation.locator('.opblock-summary-control').click()
    })

    test('asks nobody but us and leaves the console clean', async () => {
      expect(browser.watch).toEqual({ strangers: [], complaints: [] })
    })

    test('is served by a process that survives being looked at', async () => {
      const logged = () => veil.logs.some((line) => line.includes('"path":"/swagger/json"'))
      expect(await eventually(async () => logged(), Boolean)).toBe(true)
    })

    test('looks as it should', async () => {
      await page.evaluate('window.scrollTo(0, 0)')
      await page.locator('#operations-tag-Identity').click()
      await page.evaluate(DRAWN)
      mkdirSync(join(SCREENSHOT, '..'), { recursive: true })
      const picture = await page.screenshot({ path: SCREENSHOT })
      expect(picture.length).toBeGreaterThan(20_000)
    })
  })
}
