import { describe, expect, test } from 'vitest';
import { causeOfDeath, type RawExit } from '../../src/process/exit.ts';

const exited = (code: number | null, signal: string | null = null): RawExit => ({ kind: 'exited', code, signal });
const FULL_HEAP = 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory';

describe('the cause of a death that nobody here asked for', () => {
  test.each<[string, RawExit, string, string, string | null]>([
    ['an exit code', exited(3), 'bye', 'exit-code', null],
    ['a plugin that ends itself without an error', exited(0), '', 'exit-code', null],
    ['a signal', exited(null, 'SIGKILL'), '', 'signal', null],
    ['a signal, whatever stood on stderr before', exited(null, 'SIGTERM'), '[chameleon] uncaught exception: Error: x', 'signal', null],
    ['a full heap, by signal', exited(null, 'SIGABRT'), FULL_HEAP, 'out-of-memory', 'the V8 heap is full'],
    ['a full heap, where a trap ends it', exited(null, 'SIGTRAP'), FULL_HEAP, 'out-of-memory', 'the V8 heap is full'],
    ['a full heap, by the code of a shell', exited(134), FULL_HEAP, 'out-of-memory', 'the V8 heap is full'],
    ['an abort that has nothing to do with memory', exited(null, 'SIGABRT'), 'assertion failed', 'signal', null],
    ['a plugin that only talks of memory', exited(1), FULL_HEAP, 'exit-code', null],
    [
      'an uncaught exception, with its first line',
      exited(1),
      'hello\n[chameleon] uncaught exception: Error: no database\n    at x',
      'uncaught-exception',
      'Error: no database',
    ],
    ['an unhandled rejection', exited(1), '[chameleon] unhandled rejection: TypeError: x is no y', 'unhandled-rejection', 'TypeError: x is no y'],
    [
      'the last of several, when it is told twice',
      exited(1),
      '[chameleon] uncaught exception: A\n[chameleon] uncaught exception: B',
      'uncaught-exception',
      'B',
    ],
    ['an exit of 0 after it was told', exited(0), '[chameleon] uncaught exception: A', 'exit-code', null],
  ])('%s', (_, exit, stderr, cause, detail) => {
    expect(causeOfDeath(exit, stderr)).toEqual({ cause, detail });
  });

  test('a child that was never spawned says why', () => {
    const error = Object.assign(new Error('spawn /nowhere ENOENT'), { code: 'ENOENT' });
    expect(causeOfDeath({ kind: 'not-spawned', error }, '')).toEqual({ cause: 'spawn-error', detail: 'spawn /nowhere ENOENT' });
  });
});
