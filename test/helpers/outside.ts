/**
 * The invariants of a supervisor in a process of its own, as far as they show from outside (the numbers are those of invariants.ts):
 *
 * I1  it lives until it is told to end, and `status` is answered within 250 ms of its own time
 * I2  every request is answered, or ends with the connection
 * I4  once it has ended no process carries a marker of its instances
 * I5  its descriptors are back at their baseline, ± 2
 * I6  a bystander, called all the while, had no failed call until it was told to end
 * I8  nothing runs and nothing waits
 */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect } from 'vitest';
import { LineSplitter } from '../../src/cli/control/protocol.ts';
import type { SupervisorStatus } from '../../src/index.ts';
import { processesMarked } from '../../src/process/marker.ts';
import { isAlive } from './processes.ts';
import type { Round } from './rounds.ts';
import { until } from './until.ts';

const TICK_MS = 20;
const BURST = 10;
const STATUS_MS = 250;
const GONE_MS = 6_000;
const TOLERANCE = 2;
/** Of a process's time, as /proc counts it. */
const CLOCK_TICK_MS = 10;

/** What it is to run as its bystander. */
export const BYSTANDER = 'export default { methods: { echo: (value) => value } };';

interface Answer {
  id: number;
  result?: unknown;
  error?: { code: string };
}

/** Many requests on one connection. */
export class ControlClient {
  readonly #socket: Socket;
  readonly #open = new Map<number, (answer: Answer | null) => void>();
  #nextId = 1;

  static async connect(path: string): Promise<ControlClient> {
    const socket = connect(path);
    await once(socket, 'connect');
    return new ControlClient(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    const splitter = new LineSplitter();
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      for (const line of splitter.push(chunk)) {
        const answer = JSON.parse(line) as Answer;
        this.#open.get(answer.id)?.(answer);
        this.#open.delete(answer.id);
      }
    });
    socket.once('close', () => {
      for (const settle of this.#open.values()) settle(null);
      this.#open.clear();
    });
  }

  /** Resolves with null when the connection ends before the answer. */
  ask(op: string, params: object = {}): Promise<Answer | null> {
    const id = this.#nextId++;
    const answer = new Promise<Answer | null>((resolve) => this.#open.set(id, resolve));
    this.#socket.write(`${JSON.stringify({ id, op, params })}\n`);
    return answer;
  }

  call(plugin: string, method: string, ...args: unknown[]): Promise<Answer | null> {
    return this.ask('call', { plugin, method, args });
  }

  get open(): number {
    return this.#open.size;
  }

  close(): void {
    this.#socket.destroy();
  }
}

export class Outside {
  /** Whether all has been asserted. */
  ended = false;
  readonly client: ControlClient;
  readonly #pid: number;
  readonly #descriptors: number;
  readonly #timer: NodeJS.Timeout;
  readonly #failures: unknown[] = [];
  #isTold = false;
  #worstStatusMs = 0;

  /** Watches the supervisor with this pid and control socket, which runs a plugin named `bystander`, idle or under load as the round has it. */
  static async begin(round: Round, pid: number, socket: string): Promise<Outside> {
    const client = await ControlClient.connect(socket);
    expect(await client.call('bystander', 'echo', 0)).toMatchObject({ result: 0 });
    const outside = new Outside(round, pid, client);
    round.checks.push(outside);
    return outside;
  }

  private constructor({ load, random }: Round, pid: number, client: ControlClient) {
    this.#pid = pid;
    this.client = client;
    this.#descriptors = this.#countDescriptors();
    const sizes = random.stream();
    this.#timer = setInterval(() => {
      void this.#askStatus();
      for (let i = load === 'idle' ? 1 : sizes.between(0, BURST); i > 0; i--) void this.#callBystander(i);
    }, TICK_MS);
  }

  /** It is about to be told to end: from now on calls may be refused. */
  tell(): void {
    this.#isTold = true;
    clearInterval(this.#timer);
  }

  /** When it serves on. */
  async expectServing(): Promise<void> {
    clearInterval(this.#timer);
    await until('I2: every request is answered', () => this.client.open === 0);
    await until('I8: calls in flight and queued', async () => {
      const { plugins } = await this.#status();
      return plugins.every(({ inFlight, queued }) => inFlight + queued === 0);
    });
    const isBack = (): boolean => Math.abs(this.#countDescriptors() - this.#descriptors) <= TOLERANCE;
    await until('I5', isBack).catch(() => expect(this.#countDescriptors(), 'I5: descriptors').toBe(this.#descriptors));
    expect(isAlive(this.#pid), 'I1: it lives').toBe(true);
    this.#expectCalm();
    this.client.close();
  }

  /** When it has ended. */
  async expectGone(): Promise<void> {
    clearInterval(this.#timer);
    expect(isAlive(this.#pid), 'I1: it has ended').toBe(false);
    await until('I2: every request is answered, or ends with the connection', () => this.client.open === 0);
    const left = (): Promise<unknown[]> => processesMarked((marker) => marker.startsWith(`${this.#pid}-`));
    await until('I4: no process of its instances is left', async () => (await left()).length === 0, GONE_MS);
    this.#expectCalm();
    this.client.close();
  }

  #expectCalm(): void {
    expect(this.#failures, 'I6: failed calls of the bystander').toEqual([]);
    expect(this.#worstStatusMs, 'I1: status is answered in time').toBeLessThan(STATUS_MS);
    this.ended = true;
  }

  async #status(): Promise<SupervisorStatus> {
    return (await this.client.ask('status'))?.result as SupervisorStatus;
  }

  async #askStatus(): Promise<void> {
    const at = performance.now();
    const before = this.#busyMs();
    if ((await this.client.ask('status')) === null) return;
    // Time in which the machine ran somebody else, us among them, is not its own.
    const ownMs = this.#busyMs() - before + 2 * CLOCK_TICK_MS;
    this.#worstStatusMs = Math.max(this.#worstStatusMs, Math.min(performance.now() - at, ownMs));
  }

  async #callBystander(value: number): Promise<void> {
    const answer = await this.client.call('bystander', 'echo', value);
    if (answer?.result !== value && !this.#isTold) this.#failures.push(answer);
  }

  #countDescriptors(): number {
    return readdirSync(`/proc/${this.#pid}/fd`).length;
  }

  /** How long it has run on a processor. */
  #busyMs(): number {
    try {
      const stat = readFileSync(`/proc/${this.#pid}/stat`, 'latin1');
      const [user, system] = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .slice(11, 13)
        .map(Number) as [number, number];
      return (user + system) * CLOCK_TICK_MS;
    } catch {
      return 0;
    }
  }
}
