import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // A free port may be taken by a neighbour between the look and the bind: real servers, tests side by side.
    retry: 1,
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
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
