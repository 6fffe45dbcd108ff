import { defineConfig } from 'vitest/config'

/** `npm test` runs `quick`, `npm run test:long` runs `slow`; a file that is named runs in either. */
export default defineConfig({
  test: {
    globalSetup: ['test/helpers/global-setup.ts'],
    // forks: a test that brings its process down must not take the others along
    pool: 'forks',
    maxWorkers: 3,
    // every test runs on stand-ins: what says so would stand on the stderr that tests look at
    poolOptions: { forks: { execArgv: ['--disable-warning=BGE_M3_STANDIN'] } },
    // no test may fetch a real model, or find one that others fetched: those of fetching have a hub of their own
    env: {
      NODE_OPTIONS: '--disable-warning=BGE_M3_STANDIN',
      BGE_M3_OFFLINE: '1',
      HF_HUB_CACHE: '/nonexistent',
    },
    // against hanging alone: no test is about time
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 240_000 } },
    projects: [
      {
        extends: true,
        test: { name: 'quick', include: ['test/**/*.test.ts'], exclude: ['test/slow/**'] },
      },
      { extends: true, test: { name: 'slow', include: ['test/slow/**/*.test.ts'] } },
    ],
    coverage: {
      provider: 'v8',
      include: ['lib/**'],
      exclude: [
        'lib/apps/cli/main.ts',
        'lib/**/types.ts',
        'lib/native/addon.ts',
        // runs in Chromium; test/slow/apps/server/page measures its coverage there
        'lib/apps/server/page/client/**',
        // runs in Chromium too: test/slow/apps/report/page reads what it draws
        'lib/apps/report/page/client/**',
        'lib/apps/report/shared/data.ts', // types alone
        'lib/apps/server/core/wire.ts', // types alone
      ],
      reporter: ['text-summary', 'json-summary', 'html'],
      thresholds: { lines: 95 },
    },
  },
})
