/** What the author of a plugin sees of `chameleon-supervisor/testing`. */
import { expectTypeOf, test } from 'vitest';
import { definePlugin } from '../../runner/api.ts';
import type { Client, CloseReport, Supervisor } from '../../src/index.ts';
import { startPlugin, type StartedPlugin } from '../../src/testing.ts';

const plugin = definePlugin({ methods: { greet: (name: string) => `hello ${name}` } });

test('a started plugin is called by name, or as a client typed by its source', async () => {
  expectTypeOf(startPlugin).returns.resolves.toEqualTypeOf<StartedPlugin>();
  await using started = {} as StartedPlugin;
  expectTypeOf(started.call).parameters.toEqualTypeOf<[method: string, ...args: unknown[]]>();
  expectTypeOf(started.call('greet', 'world')).resolves.toEqualTypeOf<unknown>();
  const client = started.plugin<typeof plugin.methods>();
  expectTypeOf(client).toEqualTypeOf<Client<typeof plugin.methods>>();
  expectTypeOf(client.greet('world')).resolves.toEqualTypeOf<string>();
  // @ts-expect-error a number is no name
  void client.greet(1);
  expectTypeOf(started.supervisor).toEqualTypeOf<Supervisor>();
  expectTypeOf(started.close()).resolves.toEqualTypeOf<CloseReport>();
});

test('it takes the options of a plugin and a logger, and nothing of a supervisor', () => {
  expectTypeOf(startPlugin).toBeCallableWith('.', { options: { colour: 'red' }, callTimeoutMs: 500, logger: console });
  expectTypeOf(startPlugin).toBeCallableWith(new URL('file:///plugin/'));
  // @ts-expect-error the plugin is the folder's
  void startPlugin('.', { pluginDir: '.' });
  // @ts-expect-error options have names
  void startPlugin('.', { optionz: {} });
});
