/** A large answer does not hold up small ones behind it, and is none the worse for that: real children, 8 MiB, by the order of what arrives. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { putFiles } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors, type Watched } from '../helpers/supervise.ts';

const supervise = useSupervisors();
const SIZE = 8 * 2 ** 20;
const SMALL = 20;

const METHODS = `
const record = (id) => ({ id, name: 'größer', tags: ['one', null], ok: true });
const make = {
  text: (size) => 'x'.repeat(size),
  wide: (size) => '世'.repeat(size / 3),
  objects: (size) => Array.from({ length: size / 60 }, (_, id) => record(id)),
  bytes: (size) => Buffer.alloc(size, 'abc'),
};
let made = 0;
export default { methods: {
  large: (shape, size) => ({ at: ++made, value: make[shape](size) }),
  small: () => ++made,
  async dies() { setTimeout(() => process.exit(7), 1); return make.text(${SIZE}); },
} };
`;

const expected = {
  text: 'x'.repeat(SIZE),
  wide: '世'.repeat(SIZE / 3),
  objects: Array.from({ length: SIZE / 60 }, (_, id) => ({ id, name: 'größer', tags: ['one', null], ok: true })),
  bytes: Buffer.alloc(SIZE, 'abc'),
} as const;
type Shape = keyof typeof expected;
const shapes = Object.keys(expected) as Shape[];

interface Large {
  at: number;
  value: unknown;
}

async function loaded(options: object = {}): Promise<Watched> {
  const watched = await supervise({ defaults: options });
  const dir = await putFiles(join(await supervise.tempDir(), 'beside'), {
    'package.json': JSON.stringify({ name: 'beside', version: '1.0.0', type: 'module', main: 'index.js' }),
    'index.js': METHODS,
  });
  await watched.supervisor.load(dir);
  return watched;
}

/** Compared by hand where it is long: a difference of megabytes is not printed. */
function expectWhole({ value }: Large, shape: Shape): void {
  if (shape === 'objects') expect(value).toEqual(expected.objects);
  else if (shape === 'bytes') expect(expected.bytes.equals(value as Buffer)).toBe(true);
  else expect(value === expected[shape]).toBe(true);
}

describe('while 8 MiB are on their way', () => {
  test.each(shapes)('of %s, small answers that were made after it arrive before it, and it is whole', async (shape) => {
    const { supervisor } = await loaded();
    const order: string[] = [];
    const large = supervisor.call('beside', 'large', [shape, SIZE]).finally(() => order.push('large')) as Promise<Large>;
    const small = Array.from({ length: SMALL }, () => supervisor.call('beside', 'small').finally(() => order.push('small')) as Promise<number>);
    const { at } = await large;
    for (const made of await Promise.all(small)) expect(made).toBeGreaterThan(at);
    expect(order).toEqual([...Array.from({ length: SMALL }, () => 'small'), 'large']);
    expectWhole(await large, shape);
  });

  test('several times over, small ones go on and on, in their order', async () => {
    const { supervisor } = await loaded();
    const LARGE = 6;
    let left = LARGE;
    const arrivals: { at: number; isLarge: boolean }[] = [];
    const flow = Array.from({ length: 2 }, async () => {
      while (left-- > 0) {
        const { at } = (await supervisor.call('beside', 'large', ['objects', SIZE])) as Large;
        arrivals.push({ at, isLarge: true });
      }
    });
    let isOver = false;
    const small = (async () => {
      while (!isOver) arrivals.push({ at: (await supervisor.call('beside', 'small')) as number, isLarge: false });
    })();
    await Promise.all(flow);
    isOver = true;
    await small;
    const large = arrivals.flatMap(({ at, isLarge }, place) => (isLarge ? [{ at, place }] : []));
    expect(large).toHaveLength(LARGE);
    // Of each large answer: how many small ones were made after it and had come before it.
    const overtaken = large.map(({ at, place }) => arrivals.slice(0, place).filter((each) => !each.isLarge && each.at > at).length);
    expect(overtaken.reduce((sum, each) => sum + each)).toBeGreaterThan(LARGE);
    // Small ones are never overtaken by what was made after them.
    for (const [place, { at, isLarge }] of arrivals.entries()) {
      if (!isLarge) expect(arrivals.slice(0, place).filter((each) => each.at > at)).toEqual([]);
    }
  });
});

test('all kinds at once arrive whole, with room for one at a time', async () => {
  const { supervisor } = await loaded({ maxMessageBytes: SIZE + 1024 * 1024 });
  const calls = [...shapes, ...shapes].map(async (shape) => expectWhole((await supervisor.call('beside', 'large', [shape, SIZE])) as Large, shape));
  await Promise.all(calls);
  expect(supervisor.status('beside').restarts).toBe(0);
});

test('what is on its way when its plugin is stopped arrives', async () => {
  const { supervisor } = await loaded();
  const calls = shapes.map(async (shape) => expectWhole((await supervisor.call('beside', 'large', [shape, SIZE])) as Large, shape));
  await supervisor.call('beside', 'small');
  await supervisor.unload('beside');
  await Promise.all(calls);
});

test('a child that dies amid a large answer has crashed, and the next one serves', async () => {
  const { supervisor } = await loaded({ breaker: { enabled: false } });
  expect(await rejection(supervisor.call('beside', 'dies'))).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', maybeExecuted: true, exit: { code: 7 } });
  expectWhole((await supervisor.call('beside', 'large', ['objects', SIZE])) as Large, 'objects');
});
