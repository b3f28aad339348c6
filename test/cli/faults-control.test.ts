/** Fault F58 at a supervisor that works: hostile clients of the control socket lose their own connection, slow readers lose records, calls lose nothing. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { LogRing } from '../../src/cli/control/log-ring.ts';
import { LineSplitter, LOG_RECORDS, MAX_CONNECTIONS, MAX_LINE_BYTES } from '../../src/cli/control/protocol.ts';
import { ControlServer } from '../../src/cli/control/server.ts';
import type { Supervisor } from '../../src/index.ts';
import { ControlClient } from '../helpers/outside.ts';
import type { Random } from '../helpers/random.ts';
import { rounds } from '../helpers/rounds.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';
import { request } from './control-bench.ts';
import { jsonLines } from './run.ts';

const supervise = useSupervisors();
const STALL_MS = 200;

interface Served {
  path: string;
  ring: LogRing;
}

async function serve(supervisor: Supervisor): Promise<Served> {
  const path = join(await supervise.tempDir(), 'control.sock');
  const ring = new LogRing();
  const control = await ControlServer.listen(path);
  control.serve({ target: Promise.resolve(supervisor), ring, stallMs: STALL_MS });
  onTestFinished(() => control.close());
  return { path, ring };
}

async function open(path: string): Promise<{ socket: Socket; received(): string; closed: Promise<unknown> }> {
  const socket = connect(path);
  const chunks: Buffer[] = [];
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await once(socket, 'connect');
  return { socket, received: () => Buffer.concat(chunks).toString(), closed };
}

/** Bytes that are no request, drawn anew. */
function garbage(random: Random): Buffer {
  const texts = ['GET / HTTP/1.1\r\n\r\n', '[1,2]\n', '{"op":"status"}\n', '{"id":1}\n', '{"id":1,"op":"status","params":[]}\n', '\0\n', 'null\n'];
  const bytes = Buffer.from(Array.from({ length: random.between(1, 200) }, () => random.below(256)));
  return random.pick([Buffer.from(random.pick(texts)), Buffer.concat([bytes, Buffer.from('\n')])]);
}

const hostile: Record<string, (served: Served, random: Random) => Promise<void>> = {
  async garbage({ path }, random) {
    for (let i = 0; i < 10; i++) {
      const { socket, received, closed } = await open(path);
      socket.write(garbage(random));
      await closed;
      expect(JSON.parse(received().split('\n')[0]!)).toMatchObject({ id: null, error: { code: 'ERR_CONTROL' } });
    }
  },
  async halfALine({ path }, random) {
    const { socket, received, closed } = await open(path);
    const line = request(1, 'status');
    socket.write(line.slice(0, random.between(1, line.length - 1)));
    await closed;
    expect(JSON.parse(received())).toMatchObject({ error: { message: expect.stringContaining('not ended') as string } });
  },
  async anEndlessLine({ path }, random) {
    const { socket, closed } = await open(path);
    const chunk = Buffer.alloc(random.between(100_000, 2_000_000), 0x61);
    let sent = 0;
    const more = (): void => {
      while (!socket.destroyed && sent < 100 * 2 ** 20 && socket.write(chunk)) sent += chunk.length;
    };
    socket.on('drain', more);
    more();
    await closed;
    expect(sent).toBeLessThan(2 * MAX_LINE_BYTES);
  },
  async manyConnections({ path }, random) {
    const connections = await Promise.all(Array.from({ length: MAX_CONNECTIONS + random.between(10, 36) }, () => open(path)));
    await until('those over the limit are told so', () => connections.filter(({ received }) => received().includes('ERR_CONTROL_BUSY')).length >= 10);
    for (const { socket } of connections) socket.destroy();
    await Promise.all(connections.map(({ closed }) => closed));
  },
  async aSlowReader({ path, ring }, random) {
    const { socket } = await open(path);
    socket.removeAllListeners('data').pause();
    socket.write(request(1, 'logs', { follow: true }));
    const total = random.between(8, 12) * LOG_RECORDS;
    for (let i = 0; i < total; i++) {
      ring.append('info', `${i} ${'x'.repeat(1_000)}`);
      if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const lines: string[] = [];
    const splitter = new LineSplitter();
    socket.on('data', (chunk: Buffer) => lines.push(...splitter.push(chunk)));
    socket.resume();
    const answers = (): { record?: unknown; lost?: number }[] => jsonLines(lines.join('\n'));
    const lost = (): number => answers().reduce((sum, each) => sum + (each.lost ?? 0), 0);
    await until('every record is read or counted as lost', () => answers().filter(({ record }) => record).length + lost() >= total);
    expect(lost()).toBeGreaterThan(LOG_RECORDS);
    socket.destroy();
  },
};

rounds(
  'F58 hostile clients of the control socket lose their own connection, a slow reader of the log loses records, and no call is affected',
  async ({ begin, random }) => {
    const watched = await supervise.fixture('polite');
    const { supervisor } = watched;
    const served = await serve(supervisor);
    const { pid } = supervisor.status('polite');
    const check = await begin(watched);
    for (const [name, attack] of random.shuffled(Object.entries(hostile))) {
      const client = await ControlClient.connect(served.path);
      const running = client.call('polite', 'sleep', random.between(100, 500));
      await attack(served, random);
      expect(await running, name).toMatchObject({ result: expect.any(Number) as number });
      client.close();
      const after = await ControlClient.connect(served.path);
      expect((await after.ask('status', { name: 'polite' }))?.result, name).toMatchObject({ pid, inFlight: 0 });
      after.close();
    }
    await check.end({ faults: 0 });
  },
);
