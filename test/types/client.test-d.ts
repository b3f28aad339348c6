/** What a typed client infers, and that it can be returned from an async function. */
import { describe, expectTypeOf, test } from 'vitest';
import type { Client, Supervisor } from '../../src/index.ts';
import { definePlugin, method, type Call, type PluginContext } from '../../runner/api.ts';

interface Methods {
  greet(name: string): string;
  add(a: number, b?: number): Promise<number>;
  list(...names: string[]): { name: string }[];
  nothing(): void;
  either(flag: boolean): string | Promise<number>;
  /** Not a method: it is left out. */
  version: string;
  /** Never on a client: it would make it thenable. */
  then(resolve: () => void): void;
}

declare const supervisor: Supervisor;
const client = supervisor.plugin<Methods>('hello@^1', { timeoutMs: 500, key: 'tenant' });

describe('a client', () => {
  test('has the arguments of each method, and promises its result', () => {
    expectTypeOf(client).toEqualTypeOf<Client<Methods>>();
    expectTypeOf(client.greet).toEqualTypeOf<(name: string) => Promise<string>>();
    expectTypeOf(client.add).parameters.toEqualTypeOf<[a: number, b?: number]>();
    expectTypeOf(client.add(1)).resolves.toEqualTypeOf<number>();
    expectTypeOf(client.list('a', 'b')).resolves.toEqualTypeOf<{ name: string }[]>();
    expectTypeOf(client.nothing()).resolves.toEqualTypeOf<void>();
    expectTypeOf(client.either(true)).resolves.toEqualTypeOf<string | number>();
  });

  test('refuses what the method does not take', () => {
    // @ts-expect-error a number is no name
    void client.greet(1);
    expectTypeOf(client).not.toHaveProperty('shout');
    // @ts-expect-error an argument is missing
    void client.add();
  });

  test('is never thenable, and has methods only', () => {
    expectTypeOf<keyof Client<Methods>>().toEqualTypeOf<'greet' | 'add' | 'list' | 'nothing' | 'either'>();
    expectTypeOf<Client<Methods>>().not.toExtend<PromiseLike<unknown>>();
    const returned = async (): Promise<Client<Methods>> => Promise.resolve(client);
    expectTypeOf<Awaited<ReturnType<typeof returned>>>().toEqualTypeOf<Client<Methods>>();
  });

  test('is typed by the plugin itself', () => {
    const plugin = definePlugin({
      init(context: PluginContext<{ greeting: string }>) {
        expectTypeOf(context.options.greeting).toEqualTypeOf<string>();
      },
      methods: {
        greet(name: string) {
          expectTypeOf(this.signal).toEqualTypeOf<AbortSignal>();
          expectTypeOf(this.deadline).toEqualTypeOf<number>();
          return `hello ${name}`;
        },
        lookup: method({ idempotent: true, timeoutMs: 500 }, function (id: number) {
          expectTypeOf(this).toEqualTypeOf<Call>();
          return Promise.resolve({ id });
        }),
      },
    });
    const typed = supervisor.plugin<typeof plugin.methods>('hello');
    expectTypeOf(typed.greet('you')).resolves.toEqualTypeOf<string>();
    expectTypeOf(typed.lookup(1)).resolves.toEqualTypeOf<{ id: number }>();
    // @ts-expect-error milliseconds are a number
    method({ timeoutMs: '500' }, () => {});
    // @ts-expect-error methods are functions
    definePlugin({ methods: { greet: 'hello' } });
  });
});
