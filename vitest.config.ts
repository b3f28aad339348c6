import { defineConfig } from 'vitest/config';

/** These judge how long our own work holds the event loop, so no other test runs beside them. */
const ALONE = [
  'test/contract/channel-{lane,large}.test.ts',
  'test/integration/faults-{blocking,protocol,wire-json}.test.ts',
  'test/unit/{attachments,framing-splits,fuzz-config,fuzz-names,fuzz-socket,lane}.test.ts',
];

/** Expects a built `dist/` and installed plugins, which `npm test` sees to. */
export default defineConfig({
  test: {
    pool: 'forks',
    // Most of what the tests of faults do is wait.
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A test that passes at the second try has found something.
    retry: 0,
    coverage: { provider: 'v8', include: ['src/**/*.ts', 'runner/**/*.ts'], reporter: ['text', 'html'] },
    projects: [
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: ['**/node_modules/**', ...ALONE],
          typecheck: {
            enabled: true,
            include: ['test/types/**/*.test-d.ts'],
            tsconfig: './tsconfig.json',
            // Those are for `npm run typecheck`.
            ignoreSourceErrors: true,
          },
        },
      },
      { extends: true, test: { name: 'alone', include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
