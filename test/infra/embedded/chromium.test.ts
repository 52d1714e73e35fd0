import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findChromium } from '../../../src/infra/embedded/chromium'
import { temporaryFolder } from './support'

test('takes the demanded program, then PATH, then the usual places', () => {
  const folder = temporaryFolder()
  const program = (name: string): string => {
    writeFileSync(join(folder, name), '#!/bin/sh\n', { mode: 0o755 })
    return join(folder, name)
  }
  const demanded = program('mine')
  const usual = program('usual-place')
  const elsewhere = { searchPath: '', fixedPaths: [join(folder, 'missing'), usual] }

  expect(findChromium({ searchPath: folder, fixedPaths: [] })).toBeNull()
  expect(findChromium(elsewhere)).toBe(usual)
  const onPath = program('chromium-browser')
  expect(findChromium({ ...elsewhere, searchPath: folder })).toBe(onPath)
  expect(findChromium({ ...elsewhere, searchPath: folder, path: demanded })).toBe(demanded)
  expect(findChromium({ ...elsewhere, path: join(folder, 'missing') })).toBeNull()
})
