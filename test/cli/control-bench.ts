/** A control socket with a small object behind it that has a supervisor's methods, and connections to it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { LogRing } from '../../src/cli/control/log-ring.ts';
import type { ControlTarget } from '../../src/cli/control/operations.ts';
import { ControlServer } from '../../src/cli/control/server.ts';
import { PluginNotFoundError } from '../../src/errors.ts';

export interface Calls {
  running: number;
  aborted: number;
}

export interface Connection {
  connection: Socket;
  received(): string;
  closed: Promise<unknown>;
}

export class ControlBench {
  readonly folder: string = mkdtempSync(path.join(tmpdir(), 'chameleon-control-'));
  readonly socket: string = path.join(this.folder, 'control.sock');
  readonly #connections: Socket[] = [];
  readonly #servers: ControlServer[] = [];

  async serve(options: { stallMs?: number } = {}): Promise<{ control: ControlServer; calls: Calls; ring: LogRing }> {
    const calls = { running: 0, aborted: 0 };
    const ring = new LogRing();
    const control = await ControlServer.listen(this.socket);
    this.#servers.push(control);
    control.serve({ target: Promise.resolve(target(calls)), ring, ...options });
    return { control, calls, ring };
  }

  async open(): Promise<Connection> {
    const connection = connect(this.socket);
    this.#connections.push(connection);
    const closed = new Promise((resolve) => connection.once('close', resolve));
    const chunks: Buffer[] = [];
    connection.on('data', (chunk: Buffer) => chunks.push(chunk));
    connection.on('error', () => {});
    await once(connection, 'connect');
    return { connection, received: () => Buffer.concat(chunks).toString(), closed };
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    for (const server of this.#servers) await server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const request = (id: number, op: string, params: object = {}): string => `${JSON.stringify({ id, op, params })}\n`;

function target(calls: Calls): ControlTarget {
  const methods = {
    status: (name?: string) => ({ pid: 1, name: name ?? null }),
    methods: (name: string) => {
      throw new PluginNotFoundError(name, ['hello']);
    },
    call: (_plugin: string, method: string, args: unknown[], { signal }: { signal: AbortSignal }) => {
      if (method === 'echo') return Promise.resolve(args[0]);
      calls.running++;
      return new Promise((_, reject) =>
        signal.addEventListener('abort', () => {
          calls.running--;
          calls.aborted++;
          reject(new Error('aborted'));
        }),
      );
    },
  };
  return methods as unknown as ControlTarget;
}
