/**
 * A program in a pid namespace of its own, where a test can have any pid that is free given to a process of its choice. Linux, and
 * only where this user may make namespaces.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const UNSHARE = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
/** As on a machine where no cgroup can be made. */
export const WITHOUT_CGROUPS = "grep ' - cgroup2 ' /proc/self/mountinfo | cut -d' ' -f5 | xargs -r -n1 umount -l";
const library = pathToFileURL(resolve(import.meta.dirname, '../../dist/src/index.js')).href;

const hasPidNamespaces =
  process.platform === 'linux' && spawnSync('unshare', [...UNSHARE, 'sh', '-c', 'echo 100 >/proc/sys/kernel/ns_last_pid']).status === 0;

/** `test`, where this user may make a pid namespace. */
export const testInPidNamespace: typeof test = hasPidNamespaces
  ? test
  : (((title: string) =>
      test.skipIf(true)(`${title} (skipped: no right to make a pid namespace)`, () => expect.unreachable())) as unknown as typeof test);

/**
 * What the program has: the library; `say`; `until`; `recycle(pid)`, which waits until the pid is free and gives it to a stranger, a
 * process without our marker that leads a group of its own; `isAlive(pid)`.
 */
const PRELUDE = `
  import { spawn } from 'node:child_process';
  import { once } from 'node:events';
  import { readFileSync } from 'node:fs';
  import { createSupervisor } from ${JSON.stringify(library)};
  const say = (line) => console.log(JSON.stringify(line));
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const until = async (condition) => { while (!(await condition())) await pause(5); };
  const isAlive = (pid) => {
    try { return !/^[ZX]/.test(readFileSync('/proc/' + pid + '/stat', 'latin1').replace(/.*\\) /s, '')); } catch { return false; }
  };
  const TAKE = 'while :; do echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid; setsid sleep 600 & '
    + '[ $! = $1 ] && break; kill -9 $!; wait $! 2>/dev/null; done; echo taken; wait';
  const strangers = [];
  /** Begin it before the pid is free. Resolves once the stranger has it. */
  const recycle = async (pid) => {
    const taker = spawn('sh', ['-c', TAKE, 'sh', String(pid)], { stdio: ['ignore', 'pipe', 'ignore'], env: { PATH: process.env.PATH }, detached: true });
    strangers.push(taker);
    await once(taker.stdout, 'data');
  };
`;

/** Runs it to its end; resolves with the lines that it said. `before` is what the shell does first, in a mount namespace of its own. */
export async function inPidNamespace(program: string, before = 'true'): Promise<unknown[]> {
  // A shell is the first process, since it reaps what has lost its parent.
  const script = `${before}; "$0" --input-type=module -e "$1" & wait $!`;
  const host = spawn('unshare', [...UNSHARE, 'sh', '-c', script, process.execPath, PRELUDE + program], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void host.kill('SIGKILL'));
  let stderr = '';
  host.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const said: unknown[] = [];
  for await (const line of createInterface({ input: host.stdout })) said.push(JSON.parse(line));
  expect(stderr.replace(/^sh: .*Killed.*\n/gm, '')).toBe('');
  return said;
}
