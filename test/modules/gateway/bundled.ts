import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const bundles = new Map<string, Promise<string>>()

/** A script of this folder, bundled once: a hundred processes each reading the same hundred files would take most of the time. */
export function bundled(name: string): Promise<string> {
  const known = bundles.get(name) ?? bundle(name)
  bundles.set(name, known)
  return known
}

async function bundle(name: string): Promise<string> {
  const outdir = await mkdtemp(join(tmpdir(), 'veil-bundle-'))
  process.once('exit', () => rmSync(outdir, { recursive: true, force: true }))
  const entry = join(import.meta.dirname, `${name}.ts`)
  await Bun.build({ entrypoints: [entry], target: 'bun', outdir, throw: true })
  return join(outdir, `${name}.js`)
}
