/** An error of a plugin, as hosts log it, answer with it, and hand it to an error tracker. */
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import type { ChameleonError, PluginCrashedError, PluginThrewError, StartFailedError } from '../../src/index.ts';
import { rejection } from '../helpers/rejection.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();
const FRAME = /\n\s+at /;
const count = (text: string, part: string): number => text.split(part).length - 1;

/** Errors of every kind that carry what a plugin's code threw. */
async function thrown(): Promise<Record<string, ChameleonError>> {
  const { supervisor } = await supervise({ defaults: { restart: { maxRestarts: 0 } } });
  await supervisor.load(join(fixtures, 'throws'));
  await supervisor.load(join(fixtures, 'fails-each-way'));
  return {
    threw: await rejection<PluginThrewError>(supervisor.call('throws', 'rich')),
    crashed: await rejection<PluginCrashedError>(supervisor.call('fails-each-way', 'throwsOutside')),
    'init threw': await rejection<StartFailedError>(supervisor.load(join(fixtures, 'init-throws'))),
    'import threw': await rejection<StartFailedError>(supervisor.load(join(fixtures, 'throws-on-import'))),
  };
}

test('the JSON of an error has no stack, and has all of them when it is asked', async () => {
  for (const [name, error] of Object.entries(await thrown())) {
    const text = JSON.stringify({ error });
    expect(text, name).not.toContain('"stack"');
    expect(JSON.stringify(Object.values(error.toJSON())).replaceAll('\\n', '\n'), name).not.toMatch(FRAME);
    expect(error.message, name).not.toMatch(FRAME);
    expect(JSON.stringify(error.toJSON({ stacks: true })).replaceAll('\\n', '\n'), name).toMatch(FRAME);
  }
});

test('the cause of an error that the plugin threw is an Error with its name, message, stack and code', async () => {
  const { threw, 'init threw': start } = (await thrown()) as { threw: PluginThrewError; 'init threw': StartFailedError };
  const cause = threw.cause as Error & { code: string; data: unknown };
  expect(cause).toBeInstanceOf(Error);
  expect(cause).toMatchObject({ name: 'TypeError', message: 'sold out', code: 'E_SOLD_OUT', data: { left: 0 }, stack: threw.remote.stack });
  expect(String(cause)).toBe('TypeError: sold out');
  expect(cause.stack).toContain('throws/index.js');
  expect(cause.cause).toBeInstanceOf(Error);
  expect(cause.cause).toMatchObject({ name: 'RangeError', message: 'the shelf is empty', code: 'E_SHELF' });
  expect(threw.cause).toBe(cause);
  expect(start.cause).toBeInstanceOf(Error);
  expect(start.cause).toMatchObject({ name: 'RangeError', message: 'no such tariff', stack: expect.stringContaining('init-throws/index.js:4:11') });
});

test('an error that is printed shows the stack of the plugin once, and its message says where', async () => {
  const { threw, crashed, 'init threw': init, 'import threw': imported } = await thrown();
  expect(count(inspect(threw, { depth: 5 }), 'throws/index.js:6:')).toBe(1);
  expect(count(inspect(crashed, { depth: 5 }), '.outside (')).toBe(1);
  expect(init!.message).toMatch(/could not be started: RangeError: no such tariff, at \S+init-throws\/index\.js:4:11 \(phase init\)/);
  expect(imported!.message).toMatch(/no such dependency of mine, at \S+index\.js:2:7/);
  for (const error of [init, imported]) expect(count(inspect(error, { depth: 5 }), '\n      at file:')).toBeLessThanOrEqual(1);
});
