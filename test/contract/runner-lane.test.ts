/** How the runner answers beside what is large: in the lane, within the room that it has there, and never otherwise where none was agreed on. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { laneWindow } from '../../src/protocol/lane.ts';
import { bundleRunner, RawChild, writePlugin } from '../helpers/raw-child.ts';

const LIMIT = 2 ** 20;
const LARGE = 900_000;
const WINDOW = laneWindow(LIMIT);

let bundle: Awaited<ReturnType<typeof bundleRunner>>;
let plugin: Awaited<ReturnType<typeof writePlugin>>;
beforeAll(async () => {
  bundle = await bundleRunner();
  plugin = await writePlugin(`export default { methods: {
    make: (size) => 'x'.repeat(size),
    leave: (size) => { setTimeout(() => process.exit(3), 1); return 'x'.repeat(size); },
  } };`);
});
afterAll(async () => {
  await plugin[Symbol.asyncDispose]();
  await bundle[Symbol.asyncDispose]();
});

async function started(encodings?: string[]): Promise<RawChild> {
  const child = RawChild.runner(bundle.runner);
  const answer = await child.initialize(plugin.entry, encodings && { encodings });
  expect(answer).not.toHaveProperty('error');
  return child;
}

test('large answers go in the lane, and small ones that are made after them go before them', async () => {
  await using child = await started(['lane']);
  const large = child.call('make', [LARGE]);
  const small = Array.from({ length: 10 }, () => child.call('make', [1]));
  expect((await large).result).toBe('x'.repeat(LARGE));
  const order = child.answers.map(({ id }) => id);
  for (const { id } of small) expect(order.indexOf(id)).toBeLessThan(order.indexOf(large.id));
  expect(child.laneBytes).toBeGreaterThan(LARGE);
  expect(child.laneBytes).toBeLessThan(LARGE + 200);
});

test('no more is sent in the lane than there is room for; small answers, pings and cancels go on', async () => {
  await using child = await started(['lane']);
  const calls = Array.from({ length: 3 }, () => child.call('make', [LARGE]));
  await vi.waitFor(() => expect(child.laneBytes).toBe(WINDOW), { timeout: 5_000 });
  expect((await child.call('make', [1])).result).toBe('x');
  expect(await child.control('$/ping')).toHaveProperty('result');
  expect([child.laneBytes, child.answers.filter(({ id }) => calls.some((call) => call.id === id)).length]).toEqual([WINDOW, 1]);
  child.notify('$/lane', { bytes: 2 * LARGE });
  for (const { result } of await Promise.all(calls)) expect(result).toBe('x'.repeat(LARGE));
});

test('no call is begun while more waits in the lane than it may hold', async () => {
  await using child = await started(['lane']);
  const calls = Array.from({ length: 8 }, () => child.call('make', [LARGE]));
  await vi.waitFor(() => expect(child.laneBytes).toBe(WINDOW), { timeout: 5_000 });
  const late = child.call('make', [1]);
  expect(await child.control('$/ping')).toHaveProperty('result');
  expect(child.answers.map(({ id }) => id)).not.toContain(late.id);
  child.notify('$/lane', { bytes: 8 * LARGE });
  expect((await late).result).toBe('x');
  await Promise.all(calls);
});

test('what is granted is believed only when it is a number of bytes', async () => {
  await using child = await started(['lane']);
  const calls = Array.from({ length: 2 }, () => child.call('make', [LARGE]));
  await vi.waitFor(() => expect(child.laneBytes).toBe(WINDOW), { timeout: 5_000 });
  for (const params of [{ bytes: '1000' }, { bytes: -1 }, { bytes: 0 }, { bytes: 1.5 }, {}, null]) child.notify('$/lane', params);
  expect((await child.call('make', [1])).result).toBe('x');
  expect(child.laneBytes).toBe(WINDOW);
  child.notify('$/lane', { bytes: LARGE });
  await Promise.all(calls);
});

test('draining waits for what is in the lane', async () => {
  await using child = await started(['lane']);
  const calls = Array.from({ length: 3 }, () => child.call('make', [LARGE]));
  await vi.waitFor(() => expect(child.laneBytes).toBe(WINDOW), { timeout: 5_000 });
  const drained = child.control('$/drain');
  await child.control('$/ping');
  expect(child.answers.map(({ id }) => id)).not.toContain(drained.id);
  child.notify('$/lane', { bytes: 3 * LARGE });
  await drained;
  expect(child.answers.map(({ id }) => id)).toEqual(expect.arrayContaining(calls.map(({ id }) => id)));
});

test('ending waits for what is in the lane', async () => {
  await using child = await started(['lane']);
  const calls = Array.from({ length: 3 }, () => child.call('make', [LARGE]));
  await vi.waitFor(() => expect(child.laneBytes).toBe(WINDOW), { timeout: 5_000 });
  await child.control('$/free');
  child.notify('$/lane', { bytes: 3 * LARGE });
  expect(await child.exited).toEqual({ code: 0, signal: null });
  for (const { result } of await Promise.all(calls)) expect(result).toBe('x'.repeat(LARGE));
});

test('a plugin that exits by itself leaves whole frames and a part of one, and no more than there is room for', async () => {
  await using child = await started(['lane']);
  void child.call('leave', [LARGE]);
  expect(await child.exited).toEqual({ code: 3, signal: null });
  expect(child.laneBytes).toBeLessThanOrEqual(WINDOW);
});

test('without the lane, large answers are frames as any others', async () => {
  for (const encodings of [undefined, [], ['attachments']]) {
    await using child = await started(encodings);
    expect((await child.call('make', [LARGE])).result).toBe('x'.repeat(LARGE));
    expect(child.laneBytes).toBe(0);
  }
});

test('a part that is sent to the runner was not agreed on', async () => {
  await using child = await started(['lane']);
  child.input.write('Content-Length: 2\r\nContent-Type: application/vnd.chameleon.lane\r\n\r\n{}');
  expect(await child.exited).toMatchObject({ code: 1 });
  expect(child.stderr).toContain('protocol error: a part of a lane, which was not agreed on');
});
