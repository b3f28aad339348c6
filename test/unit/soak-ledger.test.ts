/** The judge of the soak, judged: it must see each thing that it is there to see, and nothing where nothing is. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Ledger, type Outcome } from '../../scripts/soak/ledger.ts';
import type { Target } from '../../scripts/soak/plugins.ts';
import { Stalls } from '../../scripts/soak/stalls.ts';
import { Verdict } from '../../scripts/soak/verdict.ts';

const SUCCESS: Outcome = { label: 'ok', neverRan: false, told: 7 };
const CRASHED: Outcome = { label: 'ERR_PLUGIN_CRASHED', neverRan: false, told: null };
const REFUSED: Outcome = { label: 'ERR_QUEUE_FULL', neverRan: true, told: null };

let folder: string;
let target: Target;
let verdict: Verdict;
let stalls: Stalls;
let ledger: Ledger;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'chameleon-test-'));
  const file = join(folder, 'ledger');
  writeFileSync(file, '');
  target = { name: 'it', file, dirs: ['', ''], broken: [], weight: 1, bystander: false, options: { concurrency: 2 } };
  verdict = new Verdict();
  stalls = new Stalls();
  ledger = new Ledger([target], verdict, stalls);
});

afterEach(async () => {
  ledger.close();
  stalls.stop();
  await rm(folder, { recursive: true });
});

/** What was found, after the plugin wrote these lines and the calls ended so. */
function found(lines: string[], ...outcomes: [id: number, outcome: Outcome][]): string[] {
  appendFileSync(target.file, lines.map((line) => `${line}\n`).join(''));
  for (const [id, outcome] of outcomes) ledger.settle(id, outcome);
  ledger.sweep();
  return [...verdict.counts].filter(([, count]) => count > 0).map(([violation]) => violation);
}

const make = (method = 'once', timeoutMs = 10_000): number => ledger.make(target, method, timeoutMs);
/** Moves a call into the past, for there is nothing to wait for. */
const age = (id: number, ms: number): number => (ledger.records.madeAt[id]! -= ms);

describe('the ledger', () => {
  it('finds nothing wrong with answers that were written down, crashes, refusals, and an idempotent call tried again', () => {
    const [good, crashed, refused, again] = [make(), make(), make(), make('again')];
    const lines = [
      `${good} 1 10 begin`,
      `${good} 1 10 end 7`,
      `${crashed} 1 10 begin`,
      `${again} 1 10 begin`,
      `${again} 2 11 begin`,
      `${again} 2 11 end 7`,
    ];
    expect(found(lines, [good, SUCCESS], [crashed, CRASHED], [refused, REFUSED], [again, SUCCESS])).toEqual([]);
    expect(ledger.open.size).toBe(0);
  });

  it('sees a call that ran twice, in one process or in two, and an attempt that began twice', () => {
    const [once, again] = [make(), make('again')];
    expect(found([`${once} 1 10 begin`, `${once} 1 11 begin`])).toEqual(['ran twice']);
    found([`${again} 1 12 begin`, `${again} 1 13 begin`]);
    expect(verdict.counts.get('ran twice')).toBe(2);
  });

  it('sees a call that ran though its error says that it did not, also when it is written down later', () => {
    const [before, after] = [make(), make()];
    expect(found([`${before} 1 10 begin`], [before, REFUSED], [after, REFUSED])).toEqual(['ran though refused']);
    found([`${after} 1 10 begin`]);
    expect(verdict.counts.get('ran though refused')).toBe(2);
  });

  it('sees a success that the plugin did not write down, or wrote down otherwise', () => {
    const [never, other] = [make(), make()];
    expect(found([`${other} 1 10 begin`, `${other} 1 10 end 8`], [never, SUCCESS], [other, SUCCESS])).toEqual(['wrong answer']);
    expect(verdict.counts.get('wrong answer')).toBe(2);
  });

  it('sees a settlement after the deadline, a second one, and none', () => {
    const [late, twice, lost] = [make(), make(), make()];
    age(late, 10_300);
    age(lost, 14_000);
    expect(found([], [late, CRASHED], [twice, CRASHED], [twice, CRASHED])).toEqual(['unsettled', 'settled twice', 'settled late']);
  });

  it('sees more calls at once than may be, in one process', () => {
    const [a, b, c, d] = [make(), make(), make(), make()];
    expect(found([`${a} 1 10 begin`, `${b} 1 10 begin`, `${a} 1 10 end -`, `${c} 1 10 begin`, `${d} 1 11 begin`])).toEqual([]);
    expect(found([`${make()} 1 10 begin`])).toEqual(['over concurrency']);
  });

  it('tells the history of a call', () => {
    const id = make();
    found([`${id} 1 10 begin`, `${id}0 1 10 begin`], [id, CRASHED]);
    const history = ledger.history(id).join('\n');
    expect(history).toMatch(/it\.once .* ERR_PLUGIN_CRASHED after/);
    expect(history.split('\n')).toHaveLength(2);
  });
});
