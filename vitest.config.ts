import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Without this `import { z } from 'zod'` is undefined when Vitest runs under Bun.
    deps: { interopDefault: false },
    coverage: {
      provider: 'istanbul',
      include: ['src/**/*.ts'],
      // These run only in processes of their own, which test/e2e/process-*.test.ts starts and kills.
      exclude: ['main', 'terminal', 'veil', 'surroundings', 'outside', 'secrets'].map(
        (file) => `src/${file}.ts`,
      ),
      reporter: ['text'],
    },
  },
})
