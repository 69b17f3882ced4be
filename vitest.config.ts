import { defineConfig } from 'vitest/config';

/** Tests run against the built packages, since worker threads load files. */
export default defineConfig({
  test: {
    include: ['packages/*/test/**/*.test.ts', 'examples/**/*.test.ts'],
    globalSetup: ['packages/testbed/test/servers.ts'],
    reporters: ['default', './scripts/tally-reporter.mjs'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
    // What is waited for comes when the machine gets to it, not within vitest's second.
    expect: { poll: { timeout: 30_000 } },
  },
});
