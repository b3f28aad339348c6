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

test('names of Object are methods like any other', async () => {
  expect(await (client as unknown as Record<string, () => Promise<unknown>>)['toString']!()).toBe('toString done');
  expect(await (client as unknown as Record<string, () => Promise<unknown>>)['__proto__']!()).toBe('__proto__ done');
});
