import { defineConfig } from 'vitest/config';

/** Expects a built `dist/` and installed plugins, which `npm test` sees to. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    typecheck: {
      enabled: true,
      include: ['test/types/**/*.test-d.ts'],
      tsconfig: './tsconfig.json',
      // Those are for `npm run typecheck`.
      ignoreSourceErrors: true,
    },
    pool: 'forks',
    // Most of what the tests of faults do is wait.
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A test that passes at the second try has found something.
    retry: 0,
    coverage: { provider: 'v8', include: ['src/**/*.ts', 'runner/**/*.ts'], reporter: ['text', 'html'] },
  },
});
