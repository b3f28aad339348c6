/** A typed client in the hands of real frameworks, which look for names of their own in each object: none of them calls the plugin. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Client, Supervisor } from '../../src/index.ts';
import { peer } from '../helpers/parts.ts';
import { putFiles } from '../helpers/put-plugin.ts';
import { useSupervisors } from '../helpers/supervise.ts';

interface Nest {
  NestFactory: { createApplicationContext(module: object, options: object): Promise<{ get(token: unknown): unknown; close(): Promise<void> }> };
}

interface Shop {
  price(item: string): number;
}

const supervise = useSupervisors();
const require = createRequire(import.meta.url);

/** A client of a plugin that has not started yet, or that has. */
async function shop(state: 'idle' | 'ready'): Promise<{ supervisor: Supervisor; client: Client<Shop>; calls(): number }> {
  const pluginDir = await supervise.tempDir();
  await putFiles(join(pluginDir, 'shop'), {
    'package.json': JSON.stringify({ name: 'shop', version: '1.0.0', main: 'index.cjs' }),
    'index.cjs': 'exports.default = { methods: { price: (item) => item.length * 10 } };',
  });
  const { supervisor, events } = await supervise({ pluginDir, defaults: { lazy: state === 'idle' } });
  const client = supervisor.plugin<Shop>('shop');
  /** Failed calls count, and so does the start that a call of an idle plugin causes. */
  const calls = (): number => {
    const versions = Object.values(supervisor.metrics().plugins['shop'] ?? {});
    const counted = versions.flatMap(({ methods }) => Object.values(methods)).reduce((sum, method) => sum + method.calls, 0);
    return counted + (state === 'idle' ? events.filter(({ kind }) => kind === 'instance-starting').length : 0);
  };
  return { supervisor, client, calls };
}

/** Later than the promises and timers of the frameworks. */
const aTick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

describe.each(['idle', 'ready'] as const)('a client of a plugin that is %s', (state) => {
  test('is a provider of NestJS, which starts and closes without a call', { timeout: 60_000 }, async () => {
    const { client, calls } = await shop(state);
    require(peer('reflect-metadata'));
    const { NestFactory } = require(peer('@nestjs/core')) as Nest;
    const { Inject, Injectable } = require(peer('@nestjs/common')) as Record<string, (token?: string) => (...target: unknown[]) => void>;
    class Till {
      readonly shop: Client<Shop>;
      constructor(injected: Client<Shop>) {
        this.shop = injected;
      }
    }
    class Shopping {
      readonly isModule = true;
    }
    Injectable!()(Till);
    Inject!('VALUE')(Till, undefined, 0);
    const providers = [{ provide: 'VALUE', useValue: client }, { provide: 'MADE', useFactory: () => Promise.resolve(client) }, Till];
    const app = await NestFactory.createApplicationContext({ module: Shopping, providers }, { logger: false, abortOnError: false });
    const till = app.get(Till) as Till;
    expect([app.get('MADE') === client, till.shop === client]).toEqual([true, true]);
    await aTick();
    expect(calls()).toBe(0);
    expect(await till.shop.price('tea')).toBe(30);
    const before = calls();
    await app.close();
    await aTick();
    expect(calls()).toBe(before);
  });

  test("is compared and printed by Jest's expect without a call", { timeout: 30_000 }, async () => {
    const { client, calls } = await shop(state);
    const { expect: jestExpect } = require(peer('expect')) as { expect: typeof expect };
    const { format, plugins } = require(peer('pretty-format')) as { format(value: unknown, options: object): string; plugins: object };
    jestExpect({ client }).toEqual({ client });
    jestExpect({ client }).toMatchObject({ client });
    jestExpect([client]).toContain(client);
    expect(() => jestExpect({ client }).toEqual({ client: 1 })).toThrow(/client/);
    expect(() => jestExpect(client).toBe(1)).toThrow(/toBe/);
    expect(() => jestExpect({ client }).toMatchObject({ client: { price: 1 } })).toThrow(/price/);
    expect(format({ client }, { plugins: Object.values(plugins) })).toContain('client');
    await aTick();
    expect(calls()).toBe(0);
  });

  test("is compared and printed by Vitest's expect without a call", async () => {
    const { client, calls } = await shop(state);
    expect({ client }).toEqual({ client });
    expect({ client }).toMatchObject({ client });
    expect({ client }).toStrictEqual({ client });
    expect(() => expect({ client }).toEqual({ client: 1 })).toThrow(/client/);
    expect(() => expect(client).toBe(1)).toThrow(/toBe|to be/);
    expect(() => expect({ client }).toMatchObject({ client: { price: 1 } })).toThrow(/price|client/);
    await aTick();
    expect(calls()).toBe(0);
  });
});
