/**
 * The listening side of the control socket: accepts up to `MAX_CONNECTIONS` sessions and ends them. Owns the socket's file.
 */
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { bind } from './bind.ts';
import { MAX_CONNECTIONS } from './protocol.ts';
import { busy, Session, type Host } from './session.ts';

/** How long clients may take to read their last answers. */
const FINISH_MS = 1_000;

export class ControlServer {
  readonly #server: Server;
  readonly #sessions = new Set<Session>();
  readonly #removeFile: () => void;

  private constructor(server: Server, path: string) {
    this.#server = server;
    this.#removeFile = () => rmSync(path, { force: true });
    // For the ways of ending that do not come through `close`.
    process.once('exit', this.#removeFile);
  }

  /** Throws `ERR_SUPERVISOR_RUNNING` when another supervisor answers on `path`. Call `serve` in the same turn. */
  static async listen(path: string): Promise<ControlServer> {
    const server = createServer();
    await bind(server, path);
    return new ControlServer(server, path);
  }

  serve(host: Host): void {
    this.#server.on('connection', (socket) => this.#accept(socket, host));
  }

  /** Takes no more connections, lets each session answer what it runs, and removes the file. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const session of this.#sessions) session.finish();
    const deadline = setTimeout(() => this.#destroyAll(), FINISH_MS);
    await closed;
    clearTimeout(deadline);
    process.off('exit', this.#removeFile);
  }

  #accept(socket: Socket, host: Host): void {
    if (this.#sessions.size >= MAX_CONNECTIONS) {
      socket.on('error', () => {});
      socket.write(`${JSON.stringify({ id: null, error: busy(`${MAX_CONNECTIONS} clients are connected, which is as many as there may be`) })}\n`);
      socket.destroySoon();
      return;
    }
    const session = new Session(socket, host);
    this.#sessions.add(session);
    socket.once('close', () => this.#sessions.delete(session));
  }

  #destroyAll(): void {
    for (const session of this.#sessions) session.destroy();
  }
}
