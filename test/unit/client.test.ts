/** The typed client: methods by property, and nothing else. */
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { typedClient } from '../../src/supervision/client.ts';

interface Methods {
  greet(name: string, loud?: boolean): string;
  call(): string;
}

const calls: [string, unknown[]][] = [];
const client = typedClient<Methods>((method, args) => {
  calls.push([method, args]);
  return Promise.resolve(`${method} done`);
});

test('each property is a method, always the same one, that needs no this', async () => {
  const { greet } = client;
  expect(client.greet).toBe(greet);
  expect(await greet('you', true)).toBe('greet done');
  expect(await client.call()).toBe('call done');
  expect(calls).toEqual([
    ['greet', ['you', true]],
    ['call', []],
  ]);
});

test('it can be awaited, returned, printed and put into JSON without a call', async () => {
  const before = calls.length;
  const returned = await (async () => Promise.resolve(client))();
  expect(returned).toBe(client);
  expect(Reflect.get(client, 'then')).toBeUndefined();
  expect(JSON.stringify({ client })).toBe('{"client":{}}');
  expect(inspect(client)).toBeTypeOf('string');
  expect(Reflect.get(client, Symbol.iterator)).toBeUndefined();
  expect(calls).toHaveLength(before);
});

const PROBES =
  'toString valueOf toJSON constructor inspect asymmetricMatch $$typeof nodeType tagName then catch finally onModuleInit onModuleDestroy onApplicationBootstrap beforeApplicationShutdown onApplicationShutdown @@observable __esModule __v_isRef __proto__ hasOwnProperty prototype length name _isMockFunction'.split(
    ' ',
  );

test.each(PROBES)('%s, which runtimes and frameworks ask for, is no method while the methods are not known', (name) => {
  expect(Reflect.get(client, name)).toBeUndefined();
  expect(Reflect.has(client, name)).toBe(false);
});

test('once they are known the methods of the plugin are its properties, and nothing else is', async () => {
  let known: Map<string, object> | null = null;
  const asked: string[] = [];
  const late = typedClient<Methods>(
    (method) => Promise.resolve(asked.push(method)),
    () => known,
  ) as unknown as Record<string, () => Promise<unknown>>;
  expect(Object.keys(late)).toEqual([]);
  expect(late['anything']).toBeTypeOf('function');
  known = new Map([
    ['greet', {}],
    ['toString', {}],
    ['then', {}],
  ]);
  for (const name of [...PROBES, 'anything', 'call']) if (name !== 'toString') expect(late[name], name).toBeUndefined();
  expect(Object.keys(late)).toEqual(['greet', 'toString']);
  expect('greet' in late).toBe(true);
  expect('call' in late).toBe(false);
  expect(Object.entries(late).map(([name, method]) => [name, method])).toEqual([
    ['greet', late['greet']],
    ['toString', late['toString']],
  ]);
  await late['toString']!();
  expect(asked).toEqual(['toString']);
});

test('it becomes text without a call', () => {
  const before = calls.length;
  expect(''.concat(client as unknown as string)).toBe('[object Client]');
  expect(Object.prototype.toString.call(client)).toBe('[object Client]');
  expect({ client }).toEqual({ client });
  expect(calls).toHaveLength(before);
});
