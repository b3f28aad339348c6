/** Children whose answer is read when they are dead already: the two come in either order on a busy machine. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { putFiles } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

const ANSWER = JSON.stringify({ jsonrpc: '2.0', id: 0, result: { protocol: 1, methods: {}, pid: 1, runtime: 'sh' } });
// The sleeper holds the pipes open, so that they are still read when the shell is dead.
const SCRIPT = `sleep 5 & head -c 1 >/dev/null; echo asked >&2; sleep 0.2; printf 'Content-Length: %s\\r\\n\\r\\n%s' ${ANSWER.length} '${ANSWER}'; kill -9 $$`;
const STALL_MS = 800;

const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

function standStill(): void {
  const end = performance.now() + STALL_MS;
  while (performance.now() < end);
}

describe('a child that is dead when its answer to the handshake is read', () => {
  it('never becomes ready, and leaves no timer behind', async () => {
    const manifest = { name: 'brief', version: '1.0.0', chameleon: { command: ['sh', '-c', SCRIPT] } };
    const dir = await putFiles(join(await supervise.tempDir(), 'brief'), { 'package.json': JSON.stringify(manifest) });
    const { supervisor, events } = await supervise();
    const before = timers();
    // The child is asked once it is in its cgroup. Then our loop stands still until the child has answered and ended.
    supervisor.once('log', standStill);
    const error = await rejection(supervisor.load(dir));
    expect(error).toMatchObject({ code: 'ERR_START_FAILED', exit: { signal: 'SIGKILL' } });
    expect(events.map(({ kind }) => kind)).not.toContain('instance-ready');
    await until('its timers are gone', () => timers() <= before);
  });
});
