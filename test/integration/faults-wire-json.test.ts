/** Fault F18: what a plugin sends in frames that are well formed and hold anything at all. None holds the event loop. */
import { expect } from 'vitest';
import { isChameleonError } from '../../src/index.ts';
import { expectNeverHeld } from '../helpers/held.ts';
import type { Random } from '../helpers/random.ts';
import { rounds } from '../helpers/rounds.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const CASES = 12;
const OUTCOMES = new Set(['ERR_PLUGIN_CRASHED', 'ERR_PROTOCOL', 'ERR_PLUGIN_THREW', 'ERR_METHOD_NOT_FOUND', 'ERR_CALL_TIMEOUT']);

const PIECES = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '\\u',
  'null',
  'true',
  '1e999',
  '-0',
  '0x1',
  '\xff',
  '\xed\xa0\x80',
  '\0',
  '__proto__',
  '$id',
  '\\ud800',
];
const BODIES = [
  '{"jsonrpc":"2.0","id":$id,"result":{"a":[1,"\\ud800",{"__proto__":{"b":1}}]}}',
  '{"jsonrpc":"2.0","id":$id,"error":{"code":-32000,"message":"m","data":{"stack":"s","cause":{"cause":{}}}}}',
  '{"jsonrpc":"2.0","method":"$/log","params":{"level":"info","message":"m","fields":{"a":[[[]]]}}}',
  '{"jsonrpc":"2.0","id":5,"method":"$/ping","params":[1]}',
];

/** A body with a few of its bytes taken out, put in or changed. */
function mutated(random: Random): string {
  let body = random.pick(BODIES);
  for (let changes = random.below(4); changes > 0; changes--) {
    const at = random.below(body.length);
    body = body.slice(0, at) + random.pick(PIECES) + body.slice(at + random.below(3));
  }
  return body;
}

rounds(`F18 ${CASES} frames of mutated JSON are each read or refused, and the supervisor and the others go on`, async ({ begin, random }) => {
  const restart = { maxRestarts: 1_000, backoffMs: 1, maxBackoffMs: 1 };
  const watched = await supervise.fixture('raw-channel', { breaker: { enabled: false }, poisonAfter: 0, restart });
  const { supervisor } = watched;
  const check = await begin(watched);
  for (let i = 0; i < CASES; i++) {
    const body = mutated(random);
    let outcome: unknown;
    await expectNeverHeld(`case ${i}: ${body}`, async () => {
      outcome = await supervisor.call('raw-channel', 'say', [[body]], { timeoutMs: 10_000 }).catch((error: unknown) => error);
    });
    if (outcome instanceof Error) {
      expect(isChameleonError(outcome) && OUTCOMES.has(outcome.code), `case ${i}: ${body}: ${outcome.message}`).toBe(true);
    }
    expect(await supervisor.call('raw-channel', 'echo', [i]), `case ${i}: ${body}`).toBe(i);
  }
  await until('its child is there', () => supervisor.status('raw-channel').pid !== null);
  for (const { exit } of check.events('instance-crashed')) expect(exit.cause).toBe('protocol-error');
  await check.end({ faults: check.events('instance-crashed').length, kinds: ['instance-crashed'] });
});
