/**
 * Compares what callers were told with what the plugins wrote down, all the while: the judge of the soak.
 *
 * 1. Every call settles, once, and no later than its deadline + 250 ms, our own loop's stalls left out.
 * 2. No attempt begins twice; a call that is not idempotent begins once at most, and never when its error says that it did not run.
 * 3. A success is what the plugin wrote down.
 * 4. No process runs more calls at once than its plugin's `concurrency`.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import type { Target } from './plugins.ts';
import { Names, Records } from './records.ts';
import type { Stalls } from './stalls.ts';
import type { Verdict } from './verdict.ts';

const LATE_MS = 250;
/** A call that is open for so long after its deadline is taken for lost. */
const LOST_MS = 3_000;
const BUFFER = Buffer.allocUnsafe(2 ** 20);

export interface Outcome {
  /** `ok`, or the code of the error. */
  label: string;
  /** The error says that the plugin did not run it. */
  neverRan: boolean;
  /** The result, by its hash. */
  told: number | null;
}

interface Source {
  target: Target;
  fd: number;
  offset: number;
  rest: string;
  /** Calls that a process has begun and not ended. */
  running: Map<string, number>;
}

export class Ledger {
  readonly records = new Records();
  readonly outcomes = new Names();
  readonly methods = new Names();
  readonly targets: readonly Target[];
  readonly open = new Set<number>();
  /** Late by more than 250 ms, and no later than that once our own stall is taken off. */
  excused = 0;
  onBegin: (id: number) => void = () => {};
  readonly #verdict: Verdict;
  readonly #stalls: Stalls;
  readonly #sources: Source[];
  #settled: { id: number; outcome: Outcome }[] = [];
  #lost = new Set<number>();

  constructor(targets: readonly Target[], verdict: Verdict, stalls: Stalls) {
    this.targets = targets;
    this.#verdict = verdict;
    this.#stalls = stalls;
    this.#sources = targets.map((target) => ({ target, fd: openSync(target.file, 'r'), offset: 0, rest: '', running: new Map() }));
  }

  make(target: Target, method: string, timeoutMs: number): number {
    const { records } = this;
    const id = records.add();
    records.plugin[id] = this.targets.indexOf(target);
    records.method[id] = this.methods.index(method);
    records.timeoutMs[id] = timeoutMs;
    records.madeAt[id] = performance.now();
    this.open.add(id);
    return id;
  }

  settle(id: number, outcome: Outcome): void {
    const { records } = this;
    records.settledAt[id] = performance.now();
    records.outcome[id] = this.outcomes.index(outcome.label);
    records.settlements[id]!++;
    if (records.settlements[id]! > 1) this.#verdict.add('settled twice', id, `again with ${outcome.label}`);
    this.open.delete(id);
    this.#settled.push({ id, outcome });
  }

  /** A process that is new has begun nothing, whoever had its pid before. */
  born(plugin: string, pid: number): void {
    this.#sources.find(({ target }) => target.name === plugin)?.running.delete(String(pid));
  }

  /** Reads what was written since, and judges what has settled. */
  sweep(): void {
    this.#stalls.tick();
    const settled = this.#settled;
    this.#settled = [];
    // What the plugin wrote was in the file before the caller was told.
    for (const source of this.#sources) this.#read(source);
    for (const { id, outcome } of settled) this.#judge(id, outcome);
    const now = performance.now();
    for (const id of this.open) {
      const deadline = this.#deadline(id);
      if (now - deadline < LOST_MS + this.#stalls.between(deadline, now) || this.#lost.has(id)) continue;
      this.#lost.add(id);
      this.#verdict.add('unsettled', id, `open for ${Math.round(now - deadline)} ms after its deadline`);
    }
  }

  close(): void {
    for (const { fd } of this.#sources) closeSync(fd);
  }

  /** Everything that is known of a call. */
  history(id: number): string[] {
    const { records } = this;
    const target = this.targets[records.plugin[id]!]!;
    const made = records.madeAt[id]!;
    const took = records.settledAt[id]! - made;
    const end = records.settlements[id] === 0 ? 'open' : `${this.outcomes.list[records.outcome[id]!]} after ${took.toFixed(1)} ms`;
    const lines = readFileSync(target.file, 'latin1').split('\n');
    return [
      `host: ${target.name}.${this.methods.list[records.method[id]!]} made at ${made.toFixed(0)} ms, deadline ${records.timeoutMs[id]} ms: ${end}, told ${records.told[id]}`,
      ...lines.filter((line) => line.startsWith(`${id} `)).map((line) => `plugin (id attempt pid what): ${line}`),
    ];
  }

  #deadline(id: number): number {
    return this.records.madeAt[id]! + this.records.timeoutMs[id]!;
  }

  #judge(id: number, { label, neverRan, told }: Outcome): void {
    const { records } = this;
    const late = records.settledAt[id]! - this.#deadline(id);
    if (late > LATE_MS) {
      const stalled = this.#stalls.between(this.#deadline(id), records.settledAt[id]!);
      if (late - stalled <= LATE_MS) this.excused++;
      else
        this.#verdict.add('settled late', id, `${Math.round(late)} ms after its deadline, of which our loop stood still for ${Math.round(stalled)}`);
    }
    if (neverRan && !this.#isIdempotent(id)) {
      records.refused[id] = 1;
      if (records.begun[id] !== 0) this.#verdict.add('ran though refused', id, label);
    }
    if (told === null) return;
    records.told[id] = told;
    if (records.begun[id] === 0) this.#verdict.add('wrong answer', id, 'an answer to a call that the plugin never began');
    else if (records.written[id] !== told) this.#verdict.add('wrong answer', id, `told ${told}, the plugin wrote ${records.written[id]}`);
  }

  #isIdempotent(id: number): boolean {
    return this.methods.list[this.records.method[id]!] === 'again';
  }

  #read(source: Source): void {
    for (;;) {
      const size = readSync(source.fd, BUFFER, 0, BUFFER.length, source.offset);
      if (size === 0) return;
      source.offset += size;
      const lines = (source.rest + BUFFER.toString('latin1', 0, size)).split('\n');
      source.rest = lines.pop()!;
      for (const line of lines) this.#line(source, line);
    }
  }

  #line({ target, running }: Source, line: string): void {
    const [idText, attemptText, pid, what, result] = line.split(' ') as [string, string, string, string, string?];
    const id = Number(idText);
    const { records } = this;
    const count = running.get(pid) ?? 0;
    if (what === 'end') {
      if (result !== '-') records.written[id] = Number(result);
      if (count > 1) running.set(pid, count - 1);
      else running.delete(pid);
      return;
    }
    running.set(pid, count + 1);
    const { concurrency = 100 } = target.options;
    if (count + 1 > concurrency)
      this.#verdict.add('over concurrency', id, `${count + 1} calls run in ${pid} of ${target.name}, allowed are ${concurrency}`);
    const attempt = 1 << Number(attemptText);
    const isAgain = this.#isIdempotent(id) ? (records.begun[id]! & attempt) !== 0 : records.begun[id] !== 0;
    if (isAgain) this.#verdict.add('ran twice', id, `attempt ${attemptText} began in ${pid}, and it had begun before`);
    if (records.refused[id] === 1) this.#verdict.add('ran though refused', id, `it began after that, in ${pid}`);
    records.begun[id]! |= attempt;
    this.onBegin(id);
  }
}
