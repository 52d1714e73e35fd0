// Run after a dependency was added or changed: `node scripts/complete-lockfile.mjs`.
// npm leaves optional packages of other platforms out of the lockfile when it cannot look them up, and
// `npm ci` then refuses the lockfile everywhere (npm/cli#4828). Their entries follow from their names.
import { readFileSync, writeFileSync } from 'node:fs'

const FILE = new URL('../package-lock.json', import.meta.url)
const SYSTEMS = ['android', 'darwin', 'win32', 'freebsd', 'openharmony']
const PROCESSORS = ['arm64', 'x64', 'ia32', 'arm', 'ppc64', 'riscv64', 's390x']

/** `@vendor/tool-linux-x64-musl` runs on linux, x64, musl. */
function entryOf(name, version, isDev) {
  const cpu = PROCESSORS.find((processor) => name.includes(processor))
  return {
    version,
    ...(cpu && { cpu: [cpu] }),
    ...(isDev && { dev: true }),
    ...(name.includes('musl') && { libc: ['musl'] }),
    optional: true,
    os: [SYSTEMS.find((system) => name.includes(system)) ?? 'linux'],
  }
}

const lock = JSON.parse(readFileSync(FILE, 'utf8'))
const added = []
for (const [path, parent] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const places = [`node_modules/${name}`, `${path}/node_modules/${name}`]
    if (places.some((place) => lock.packages[place])) continue
    lock.packages[places[0]] = entryOf(name, version, parent.dev)
    added.push(name)
  }
}
// What npm marks as extraneous is wanted on another platform; npm 10 would want it on this one.
for (const entry of Object.values(lock.packages)) {
  if (!entry.extraneous) continue
  delete entry.extraneous
  Object.assign(entry, { dev: true, optional: true })
}
const [root, ...rest] = Object.entries(lock.packages)
rest.sort(([a], [b]) => a.localeCompare(b, 'en'))
lock.packages = Object.fromEntries([root, ...rest])
writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`${added.length} platform packages added to the lockfile`)
