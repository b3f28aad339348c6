/**
 * One child that is spoken to in raw frames, as the supervisor would: for tests of the wire as a plugin's process speaks it.
 * Knows nothing of the host's own classes.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Duplex, Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { frame } from '../../src/protocol/frame.ts';
import { FrameDecoder } from '../../src/protocol/framing.ts';
import { FIRST_CALL_ID, PROTOCOL_VERSION } from '../../src/protocol/messages.ts';
import type { InitializeParams, LogParams, WireError } from '../../src/protocol/messages.ts';

export interface Answer {
  id: number;
  result?: unknown;
  error?: WireError;
}

export interface Exit {
  code: number | null;
  signal: string | null;
}

export interface StartOptions {
  env?: Record<string, string>;
  /** Makes the child the leader of a group of its own. */
  detached?: boolean;
}

export const repository = fileURLToPath(new URL('../..', import.meta.url));

/** Bundles the runner as it is shipped. */
export async function bundleRunner(): Promise<{ runner: string; [Symbol.asyncDispose](): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'chameleon-runner-'));
  const runner = join(dir, 'main.cjs');
  await build({
    entryPoints: [join(repository, 'runner/main.ts')],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    outfile: runner,
  });
  return { runner, [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) };
}

/** A plugin folder with one entry. */
export async function writePlugin(
  source: string,
  file = 'index.mjs',
  manifest: object = {},
): Promise<{ entry: string; [Symbol.asyncDispose](): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'chameleon-plugin-'));
  await writeFile(join(dir, 'package.json'), JSON.stringify({ name: 'probe', version: '1.0.0', ...manifest }));
  await writeFile(join(dir, file), source);
  return { entry: join(dir, file), [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) };
}

export function initializeParams(entry: string | null, given: Partial<InitializeParams> = {}): InitializeParams {
  const plugin = { name: 'probe', version: '1.0.0', dir: entry === null ? repository : dirname(entry), entry };
  return { protocol: PROTOCOL_VERSION, plugin, initArgs: [], options: {}, limits: { maxMessageBytes: 2 ** 20 }, ...given };
}

export class RawChild {
  readonly process: ChildProcess;
  readonly logs: LogParams[] = [];
  readonly answers: Answer[] = [];
  readonly exited: Promise<Exit>;
  readonly input: Writable;
  readonly output: Readable;
  /** What came in the lane. */
  laneBytes = 0;
  stdout = '';
  stderr = '';
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #nextControl = 0;
  #nextCall = FIRST_CALL_ID;

  /** A runner, with its channel on descriptor 3. */
  static runner(runner: string, { env = {}, detached = false }: StartOptions = {}): RawChild {
    const child = spawn(process.execPath, [runner], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], ...env },
      detached,
    });
    const channel = child.stdio[3] as Duplex;
    return new RawChild(child, channel, channel);
  }

  /** A program of its own, which speaks on stdin and stdout. */
  static command(command: string, args: string[], cwd: string): RawChild {
    const child = spawn(command, args, { stdio: 'pipe', cwd });
    return new RawChild(child, child.stdin, child.stdout);
  }

  private constructor(child: ChildProcess, input: Writable, output: Readable) {
    this.process = child;
    this.input = input;
    this.output = output;
    const options = { maxMessageBytes: 2 ** 26, onFrame: (json: string) => this.#receive(json) };
    const lane = new FrameDecoder(options);
    const onPart = (bytes: Buffer): void => {
      this.laneBytes += bytes.length;
      lane.push(bytes);
    };
    const decoder = new FrameDecoder({ ...options, onPart });
    output.on('data', (chunk: Buffer) => decoder.push(chunk));
    input.on('error', () => undefined);
    if (child.stdout !== output) child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    // Its streams are read to their end, so what it said is complete.
    this.exited = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
  }

  get pid(): number {
    return this.process.pid!;
  }

  #receive(json: string): void {
    const message = JSON.parse(json) as Answer & { method?: string; params?: LogParams };
    if (message.method !== undefined) {
      this.logs.push(message.params!);
      return;
    }
    this.answers.push(message);
    this.#waiting.get(message.id)?.(message);
  }

  /** Calls a method of the plugin. */
  call(method: string, params: unknown = [], more: object = {}): Promise<Answer> & { id: number } {
    return this.#send(this.#nextCall++, method, params, more);
  }

  /** Sends a control request, such as `$/ping`. */
  control(method: string, params: unknown = {}): Promise<Answer> & { id: number } {
    return this.#send(this.#nextControl++, method, params, {});
  }

  notify(method: string, params: unknown): void {
    this.input.write(frame(JSON.stringify({ jsonrpc: '2.0', method, params })));
  }

  initialize(entry: string | null, given?: Partial<InitializeParams>): Promise<Answer> {
    return this.control('$/initialize', initializeParams(entry, given));
  }

  #send(id: number, method: string, params: unknown, more: object): Promise<Answer> & { id: number } {
    const answer = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.input.write(frame(JSON.stringify({ jsonrpc: '2.0', id, method, params, ...more })));
    return Object.assign(answer, { id });
  }

  /** Ends it, whatever state it is in. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGKILL');
    this.input.destroy();
    await this.exited;
  }
}
