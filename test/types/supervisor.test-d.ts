/** The options, the events and the errors, as a host's compiler sees them. */
import { createLogger } from 'winston';
import { describe, expectTypeOf, test } from 'vitest';
import {
  createSupervisor,
  isChameleonError,
  PluginCrashedError,
  type ChameleonError,
  type ExitFacts,
  type Logger,
  type PluginStatus,
  type Supervisor,
  type SupervisorEvent,
  type SupervisorOptions,
  type SupervisorStatus,
} from '../../src/index.ts';
import { defineConfig } from '../../src/config.ts';

declare const supervisor: Supervisor;

describe('options', () => {
  test('are all optional, and misspelt ones are errors', () => {
    expectTypeOf(createSupervisor).toBeCallableWith();
    expectTypeOf(createSupervisor).toBeCallableWith({ pluginDir: './plugins', plugins: { hello: { concurrency: 1, breaker: { maxFailures: 3 } } } });
    expectTypeOf(createSupervisor).toBeCallableWith({ spares: 2 });
    // @ts-expect-error they are the supervisor's, not a plugin's
    void createSupervisor({ defaults: { spares: 2 } });
    // @ts-expect-error concurency
    void createSupervisor({ defaults: { concurency: 1 } });
    // @ts-expect-error a level that is none
    void createSupervisor({ logLevel: 'loud' });
    // @ts-expect-error a duration is a number of milliseconds
    void createSupervisor({ defaults: { callTimeoutMs: '30s' } });
    expectTypeOf<SupervisorOptions['pluginDir']>().toEqualTypeOf<string | undefined>();
    expectTypeOf(createSupervisor()).resolves.toEqualTypeOf<Supervisor>();
  });

  test('take any logger of four methods', () => {
    expectTypeOf(console).toExtend<Logger>();
    expectTypeOf(createLogger()).toExtend<Logger>();
    expectTypeOf<{ info(message: string): void }>().not.toExtend<Logger>();
  });

  test('of a configuration file are the same, but for the logger', () => {
    expectTypeOf(defineConfig).toBeCallableWith({ pluginDir: './plugins', defaults: { concurrency: 5 } });
    // @ts-expect-error no file can carry a logger
    defineConfig({ logger: console });
  });
});

describe('a supervisor', () => {
  test('promises unknown to an untyped call', () => {
    expectTypeOf(supervisor.call('hello', 'greet', ['you'])).resolves.toBeUnknown();
    expectTypeOf(supervisor.call).toBeCallableWith('hello', 'greet', ['you'] as const, { signal: new AbortController().signal, timeoutMs: 1 });
    // @ts-expect-error arguments are an array
    void supervisor.call('hello', 'greet', 'you');
  });

  test('has a status of its own, and one of each plugin', () => {
    expectTypeOf(supervisor.status()).toEqualTypeOf<SupervisorStatus>();
    expectTypeOf(supervisor.status('hello')).toEqualTypeOf<PluginStatus>();
  });

  test('can be disposed of', () => {
    expectTypeOf<Supervisor>().toExtend<AsyncDisposable>();
  });
});

describe('events', () => {
  test('are typed by their name, and all come as one union', () => {
    supervisor.on('instance-crashed', (event) => {
      expectTypeOf(event.exit).toEqualTypeOf<ExitFacts>();
      expectTypeOf(event.plugin).toEqualTypeOf<string>();
    });
    supervisor.on('event', (event) => {
      expectTypeOf(event).toEqualTypeOf<SupervisorEvent>();
      if (event.kind === 'plugin-activated') expectTypeOf(event.from).toEqualTypeOf<string | null>();
    });
    // @ts-expect-error there is no such event
    supervisor.on('instance-exploded', () => {});
  });
});

describe('errors', () => {
  test('are told apart by their class and by their code', () => {
    const error: unknown = null;
    if (isChameleonError(error)) expectTypeOf(error).toEqualTypeOf<ChameleonError>();
    if (error instanceof PluginCrashedError) {
      expectTypeOf<(typeof error)['code']>().toEqualTypeOf<'ERR_PLUGIN_CRASHED'>();
      expectTypeOf(error.exit).toEqualTypeOf<ExitFacts>();
      expectTypeOf(error.maybeExecuted).toEqualTypeOf<boolean>();
    }
  });
});
