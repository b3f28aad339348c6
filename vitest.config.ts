import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A test that passes at the second try has found something.
    retry: 0,
    coverage: { provider: 'v8', include: ['src/**/*.ts', 'runner/**/*.ts'], reporter: ['text', 'html'] },
  },
});
