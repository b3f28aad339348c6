/**
 * One address for a debugger while children come and go: each connection goes to the inspector of the newest child that lives. An editor
 * that connects again finds the next child where it found the one before.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Supervisor } from '../index.ts';
import { usageError } from './errors.ts';

const HOST = '127.0.0.1';
/** Node's own, where editors look first. */
const DEFAULT_PORT = 9229;

export class DebugRelay {
  readonly #server: Server;
  /** Port of each child's inspector, the newest child last. */
  readonly #ports = new Map<string, number>();
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (client) => this.#relay(client));
  }

  /** `port` 0 takes a free one; `true` takes 9229, or a free one where that is in use. Throws `ERR_USAGE` for a port that cannot be had. */
  static async open(port: number | true): Promise<DebugRelay> {
    try {
      return new DebugRelay(await listening(port === true ? DEFAULT_PORT : port));
    } catch (error) {
      if (port === true) return new DebugRelay(await listening(0));
      const { code } = error as NodeJS.ErrnoException;
      throw usageError(`the debugger cannot have port ${port}: ${code === 'EADDRINUSE' ? 'it is in use' : code}`, '--inspect=0 takes a free port');
    }
  }

  get address(): string {
    return `${HOST}:${(this.#server.address() as AddressInfo).port}`;
  }

  follow(supervisor: Supervisor): void {
    supervisor.on('debugger-listening', ({ instance, url }) => this.#ports.set(instance, Number(new URL(url).port)));
    for (const kind of ['instance-stopped', 'instance-crashed', 'instance-start-failed'] as const)
      supervisor.on(kind, ({ instance }: { instance: string }) => void this.#ports.delete(instance));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #relay(client: Socket): void {
    const port = [...this.#ports.values()].at(-1);
    // An editor that comes before the first child tries again.
    if (port === undefined) return void client.destroy();
    const inspector = connect(port, HOST);
    for (const [socket, other] of [
      [client, inspector],
      [inspector, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.once('close', () => {
        this.#sockets.delete(socket);
        other.end();
      });
      socket.pipe(other);
    }
  }
}

async function listening(port: number): Promise<Server> {
  const server = createServer().listen(port, HOST);
  await once(server, 'listening');
  return server;
}
