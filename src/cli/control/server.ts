/**
 * The listening side of the control socket: accepts up to `MAX_CONNECTIONS` sessions and ends them. Owns the socket's file.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { bind, remove } from './bind.ts';
import { MAX_CONNECTIONS, MAX_LONG_CONNECTIONS } from './protocol.ts';
import { busy, Session, type Host } from './session.ts';
import { clearTimeout, setTimeout } from '../../util/timers.ts';

/** How long clients may take to read their last answers. */
const FINISH_MS = 1_000;

export class ControlServer {
  readonly #server: Server;
  readonly #sessions = new Set<Session>();
  readonly #removeFile: () => void;

  private constructor(server: Server, path: string, identity: string) {
    this.#server = server;
    this.#removeFile = () => remove(path, identity);
    // For the ways of ending that do not come through `close`.
    process.once('exit', this.#removeFile);
  }

  /** Throws `ERR_SUPERVISOR_RUNNING` when another supervisor answers on `path`. Call `serve` in the same turn. */
  static async listen(path: string): Promise<ControlServer> {
    const server = createServer();
    return new ControlServer(server, path, await bind(server, path));
  }

  serve(host: Host): void {
    this.#server.on('connection', (socket) => this.#accept(socket, host));
  }

  /** Takes no more connections, lets each session answer what it runs, and removes the file. */
  async close(): Promise<void> {
    this.#removeFile();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const session of this.#sessions) session.finish();
    const deadline = setTimeout(() => this.#destroyAll(), FINISH_MS);
    await closed;
    clearTimeout(deadline);
    process.off('exit', this.#removeFile);
  }

  #accept(socket: Socket, host: Host): void {
    if (this.#sessions.size >= MAX_CONNECTIONS && !this.#makeRoom()) {
      socket.on('error', () => {});
      socket.write(`${JSON.stringify({ id: null, error: busy(`${MAX_CONNECTIONS} clients are connected, which is as many as there may be`) })}\n`);
      socket.destroySoon();
      return;
    }
    const session = new Session(socket, host, { hasLong: () => this.#countLong() < MAX_LONG_CONNECTIONS });
    this.#sessions.add(session);
    socket.once('close', () => this.#sessions.delete(session));
  }

  /** In place of the connection that has had nothing running for longest; false where each has something running. */
  #makeRoom(): boolean {
    let oldest: Session | null = null;
    for (const session of this.#sessions) {
      if (session.idleSince !== null && session.idleSince < (oldest?.idleSince ?? Infinity)) oldest = session;
    }
    if (oldest === null) return false;
    this.#sessions.delete(oldest);
    oldest.makeRoom();
    return true;
  }

  #countLong(): number {
    let count = 0;
    for (const { isLong } of this.#sessions) if (isLong) count++;
    return count;
  }

  #destroyAll(): void {
    for (const session of this.#sessions) session.destroy();
  }
}
