/**
 * A child that was started ahead of need, and waits for a plugin. Owns it until it is adopted: its process, and what it prints.
 *
 * 1. Nothing that it says is lost, or read by anybody before it is adopted.
 * 2. When `gone` resolves it has been adopted, or nothing of it is left.
 */
import type { Readable } from 'node:stream';
import { spawn, type Spawned, type SpawnPlan } from '../process/spawn.ts';
import { warmAnswer, warmRequest } from '../protocol/warming.ts';
import { deferred } from '../util/deferred.ts';
import { within } from '../util/within.ts';
import { marked } from './launch.ts';

const ANSWER = Buffer.from(warmAnswer.text);
/** One that says more than this before it answers is none to wait for. */
const MAX_SAID_BYTES = 2 ** 20;
const NOTHING = Buffer.alloc(0);

export class Spare {
  readonly marker: string;
  readonly gone: Promise<void>;
  readonly #child: Spawned;
  readonly #gone = deferred<void>();
  readonly #pipes: Readable[];
  #state: 'waiting' | 'adopted' | 'ended' = 'waiting';
  #onAnswer: (() => void) | null = null;
  /** What came before the answer, and is for whoever adopts it. */
  #said = NOTHING;

  constructor(plan: SpawnPlan, marker: string) {
    this.marker = marker;
    this.gone = this.#gone.promise;
    const child = (this.#child = spawn(marked(plan, marker)));
    this.#pipes = [child.channel?.readable, child.stdout, child.stderr].filter((pipe) => pipe !== null && pipe !== undefined);
    // A stream with this listener flows no more: execa would have what nobody reads thrown away.
    for (const pipe of this.#pipes) pipe.on('readable', this.#onReadable);
    void child.ended.then(() => this.#ended());
  }

  get isWaiting(): boolean {
    return this.#state === 'waiting';
  }

  /** Whether it says within `ms` that all is there. Ask again before it is adopted: it may have died, or stand still. One at a time. */
  async proves(ms: number): Promise<boolean> {
    const { channel } = this.#child;
    if (channel === null || !this.isWaiting) return false;
    const answered = new Promise<void>((resolve) => (this.#onAnswer = resolve));
    channel.writable.write(warmRequest.text);
    // What it said since may fill its pipe.
    this.#onReadable();
    await within(ms, Promise.race([answered, this.#child.ended]));
    const isProven = this.#onAnswer === null;
    this.#onAnswer = null;
    return isProven && this.isWaiting;
  }

  /** Its process, for an instance that reads its pipes from this turn on. */
  adopt(): Spawned {
    this.#state = 'adopted';
    for (const pipe of this.#pipes) pipe.off('readable', this.#onReadable);
    this.#gone.resolve();
    return this.#child;
  }

  /** Ends it at once: it has nothing to free. Resolves when nothing of it is left; does nothing to one that is adopted. */
  async end(): Promise<void> {
    if (this.isWaiting) {
      this.#state = 'ended';
      void this.#child.tree?.kill();
    }
    await this.gone;
  }

  readonly #onReadable = (): void => {
    if (this.#onAnswer === null || this.#said.length > MAX_SAID_BYTES) return;
    const readable = this.#child.channel!.readable;
    const chunk = readable.read() as Buffer | null;
    if (chunk === null) return;
    const said = (this.#said = Buffer.concat([this.#said, chunk]));
    const at = said.indexOf(ANSWER);
    if (at === -1) return;
    this.#onAnswer();
    this.#onAnswer = null;
    this.#said = NOTHING;
    if (said.length > ANSWER.length) readable.unshift(Buffer.concat([said.subarray(0, at), said.subarray(at + ANSWER.length)]));
  };

  async #ended(): Promise<void> {
    if (this.#state === 'adopted') return;
    this.#state = 'ended';
    this.#child.release();
    await this.#child.tree?.sweep();
    this.#gone.resolve();
  }
}
