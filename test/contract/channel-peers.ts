/**
 * The channel of the host with a peer at its other end that takes orders, over each transport that there is. The contract is the same,
 * so the tests are. In memory the writes of the host can be counted; over pipes there is a kernel with buffers of its own between them.
 */
import { duplexPair, type Duplex } from 'node:stream';
import { resolve } from 'node:path';
import { spawn } from '../../src/process/spawn.ts';
import { FIRST_CALL_ID, type LogParams, type WireError } from '../../src/protocol/messages.ts';
import { frame } from '../../src/protocol/frame.ts';
import { Channel, type ChannelOptions, type PendingCall } from '../../src/rpc/channel.ts';
import { IntakeBudget } from '../../src/rpc/intake.ts';

type Serve = (readable: Duplex, writable: Duplex, leave: (code: number) => void) => void;

const file = resolve(import.meta.dirname, '../fixtures/plugins/raw-peer/peer.mjs');
const { serve } = (await import(file)) as { serve: Serve };

export const transports = ['in memory', 'a dedicated pipe', 'stdin and stdout'] as const;
export type Transport = (typeof transports)[number];

export type Outcome = { kind: 'answered'; result: unknown } | { kind: 'refused'; error: WireError } | { kind: 'garbled'; reason: string };

let nextId = FIRST_CALL_ID;

/** One call, with everything that happened to it. */
export class TestCall implements PendingCall {
  readonly id = nextId++;
  readonly method: string;
  readonly outcomes: Outcome[] = [];
  readonly settled: Promise<Outcome>;
  frame: string | null;
  sentAt: number | null = null;
  #settle!: (outcome: Outcome) => void;

  constructor(method: string, params: unknown[]) {
    this.method = method;
    this.frame = frame(JSON.stringify({ jsonrpc: '2.0', id: this.id, method, params }));
    this.settled = new Promise((fulfil) => (this.#settle = fulfil));
  }

  sent(): void {
    this.sentAt = performance.now();
  }

  answered(result: unknown): void {
    this.#happened({ kind: 'answered', result });
  }

  refused(error: WireError): void {
    this.#happened({ kind: 'refused', error });
  }

  garbled(reason: string): void {
    this.#happened({ kind: 'garbled', reason });
  }

  #happened(outcome: Outcome): void {
    this.outcomes.push(outcome);
    this.#settle(outcome);
  }
}

export class Connected {
  readonly channel: Channel;
  readonly logs: LogParams[] = [];
  readonly strays: string[] = [];
  readonly strayLines: string[] = [];
  readonly ends: (string | null)[] = [];
  /** Each write that the host made, where they can be counted. */
  readonly writes: string[] = [];
  readonly #leave: () => Promise<void>;

  static to(transport: Transport, options: Partial<ChannelOptions> = {}): Connected {
    if (transport === 'in memory') {
      const [ours, theirs] = duplexPair();
      serve(theirs, theirs, () => theirs.end());
      return new Connected(ours, ours, options, () => {
        ours.destroy();
        theirs.destroy();
        return Promise.resolve();
      });
    }
    const dedicated = transport === 'a dedicated pipe';
    const child = spawn({
      file: process.execPath,
      args: [file, dedicated ? 'fd3' : 'stdio'],
      cwd: import.meta.dirname,
      env: {},
      transport: dedicated ? 'dedicated' : 'stdio',
    });
    const { readable, writable } = child.channel!;
    return new Connected(readable, writable, options, async () => {
      await child.tree!.kill();
      await child.ended;
      child.release();
    });
  }

  private constructor(
    readable: ChannelOptions['readable'],
    writable: ChannelOptions['writable'],
    options: Partial<ChannelOptions>,
    leave: () => Promise<void>,
  ) {
    const write = writable.write.bind(writable) as (...args: unknown[]) => boolean;
    writable.write = (...args: unknown[]) => {
      this.writes.push(String(args[0]));
      return write(...args);
    };
    this.#leave = leave;
    this.channel = new Channel({
      readable,
      writable,
      maxMessageBytes: 2 ** 24,
      maxMessageValues: Infinity,
      intake: new IntakeBudget(Infinity).intake(),
      onLog: (record) => this.logs.push(record),
      onStray: (reason) => this.strays.push(reason),
      onEnd: (reason) => this.ends.push(reason),
      ...options,
    });
  }

  call(method: string, ...params: unknown[]): TestCall {
    const call = new TestCall(method, params);
    this.channel.call(call);
    return call;
  }

  /** What the peer answers to this order. */
  async ask(method: string, ...params: unknown[]): Promise<unknown> {
    const outcome = await this.call(method, ...params).settled;
    if (outcome.kind !== 'answered') throw new Error(`${method}: ${JSON.stringify(outcome)}`);
    return outcome.result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.channel.close();
    await this.#leave();
  }
}
