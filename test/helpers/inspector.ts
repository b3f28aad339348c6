/** A debugger: the inspector protocol over a WebSocket, which Node 20 has no client for. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import type { Socket } from 'node:net';

type Message = { id?: number; method?: string; params?: Record<string, unknown>; result?: Record<string, unknown>; error?: { message: string } };

export interface Script {
  scriptId: string;
  url: string;
  sourceMapURL: string;
}

export class Debugger {
  readonly #socket: Socket;
  readonly #answers = new Map<number, (message: Message) => void>();
  /** What was loaded, by its id. */
  readonly scripts = new Map<string, Script>();
  readonly #seen: Message[] = [];
  #onEvent: () => void = () => {};
  #unread = Buffer.alloc(0);
  #ids = 0;

  private constructor(socket: Socket, head: Buffer) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => {});
    this.#read(head);
  }

  /** `url`: `ws://…`, or the `host:port` of an inspector whose first target is meant. */
  static async attach(url: string): Promise<Debugger> {
    const target = url.startsWith('ws:')
      ? url
      : ((await (await fetch(`http://${url}/json/list`)).json()) as { webSocketDebuggerUrl: string }[])[0]!.webSocketDebuggerUrl;
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
    };
    const asked = request(target.replace('ws:', 'http:'), { headers }).end();
    const [, socket, head] = (await once(asked, 'upgrade')) as [unknown, Socket, Buffer];
    const attached = new Debugger(socket, head);
    await attached.send('Runtime.enable');
    await attached.send('Debugger.enable');
    return attached;
  }

  /** Throws what the inspector refuses. */
  async send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#ids;
    const text = Buffer.from(JSON.stringify({ id, method, params }));
    // Masked with zeros: a client's frame has to be masked, and the inspector takes any mask.
    const length = text.length < 126 ? [0x80 | text.length] : [0x80 | 126, text.length >> 8, text.length & 0xff];
    this.#socket.write(Buffer.concat([Buffer.from([0x81, ...length, 0, 0, 0, 0]), text]));
    const { result, error } = await new Promise<Message>((resolve) => this.#answers.set(id, resolve));
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }

  /** The next event of this name, or one that came and was not asked for yet. */
  async event(method: string): Promise<Record<string, unknown>> {
    for (;;) {
      const at = this.#seen.findIndex((message) => message.method === method);
      if (at !== -1) return this.#seen.splice(at, 1)[0]!.params ?? {};
      await new Promise<void>((resolve) => (this.#onEvent = resolve));
    }
  }

  /** Where it stands now, as a line of the script that runs, from 1. Waits until it stands. */
  async paused(): Promise<{ line: number; url: string }> {
    const { callFrames } = (await this.event('Debugger.paused')) as { callFrames: { location: { scriptId: string; lineNumber: number } }[] };
    const { scriptId, lineNumber } = callFrames[0]!.location;
    return { line: lineNumber + 1, url: this.scripts.get(scriptId)!.url };
  }

  detach(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, chunk]);
    for (;;) {
      const bytes = this.#unread;
      const short = bytes.length < 2 ? 0 : bytes[1]! & 0x7f;
      const start = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (bytes.length < start) return;
      const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
      if (bytes.length < start + length) return;
      this.#unread = bytes.subarray(start + length);
      // A process that ends waits for the answer to its close frame.
      if ((bytes[0]! & 0x0f) === 8) return this.detach();
      if ((bytes[0]! & 0x0f) === 1) this.#receive(JSON.parse(bytes.toString('utf8', start, start + length)) as Message);
    }
  }

  #receive(message: Message): void {
    const { id } = message;
    if (id === undefined) {
      const script = message.params as unknown as Script;
      if (message.method === 'Debugger.scriptParsed') this.scripts.set(script.scriptId, script);
      else this.#seen.push(message);
      this.#onEvent();
    } else this.#answers.get(id)?.(message);
  }
}
