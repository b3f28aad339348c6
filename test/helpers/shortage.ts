/**
 * A supervisor in a process of its own that the kernel itself keeps short: of memory, by a control group, or of processes, by a limit of
 * its user. Where this machine does not let us, `why` says so.
 */
import { execFileSync, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { fixtures } from './supervise.ts';

export interface Said {
  kind: string;
  [fact: string]: unknown;
}

const NOBODY = '65534';

/** Runs `program`, whose `say` goes to `heard`, after the shell has done what `before` says. Resolves with all that it said. */
export async function runSupervisor(
  program: string,
  before: { script: string; as?: readonly string[]; heard?: (said: Said, pid: number) => void },
): Promise<Said[]> {
  const module = `
    import { createSupervisor } from ${JSON.stringify(pathToFileURL(join(fixtures, '../../../dist/src/index.js')).href)};
    const say = (kind, facts) => console.log(JSON.stringify({ kind, ...facts }));
    const until = async (condition) => { while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20)); };
    const folder = (name) => ${JSON.stringify(fixtures)} + '/' + name;
    process.on('warning', ({ message }) => say('warning', { message }));
    ${program}
    say('end');`;
  const [command, ...args] = [...(before.as ?? []), 'sh', '-c', `${before.script} exec "$0" --input-type=module -e "$1"`, process.execPath, module];
  const host = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const said: Said[] = [];
  try {
    for await (const line of createInterface({ input: host.stdout })) {
      const heard = JSON.parse(line) as Said;
      said.push(heard);
      before.heard?.(heard, host.pid!);
    }
  } finally {
    host.kill('SIGKILL');
  }
  return said;
}

/** A control group below our own that may use so much memory. `enter` is what a shell does to be in it. */
export function memoryGroup(limitBytes: number): { enter: string; remove(): void } | { why: string } {
  if (process.platform !== 'linux') return { why: 'there are no control groups on this system' };
  const own = readFileSync('/proc/self/cgroup', 'utf8');
  const v1 = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(own)?.[1];
  const above = v1 === undefined ? join('/sys/fs/cgroup', /^0::(.*)$/m.exec(own)?.[1] ?? '') : join('/sys/fs/cgroup/memory', v1);
  const group = join(above, `chameleon-test-${process.pid}`);
  const settings =
    v1 === undefined
      ? { 'memory.max': limitBytes, 'memory.swap.max': 0 }
      : { 'memory.limit_in_bytes': limitBytes, 'memory.memsw.limit_in_bytes': limitBytes };
  try {
    mkdirSync(group);
  } catch (error) {
    return { why: `no control group can be made below ${above}: ${(error as Error).message}` };
  }
  const remove = (): void => {
    try {
      rmdirSync(group);
    } catch {
      // Its last process is on its way out: an empty group costs nothing.
    }
  };
  try {
    for (const [name, value] of Object.entries(settings)) if (existsSync(join(group, name))) writeFileSync(join(group, name), String(value));
    accessSync(join(group, Object.keys(settings)[0]!), constants.W_OK);
  } catch (error) {
    remove();
    return { why: `the memory of a control group cannot be limited below ${above}: ${(error as Error).message}` };
  }
  return { enter: `echo $$ > '${group}/cgroup.procs' &&`, remove };
}

/**
 * How many processes the user of a program may have, to be changed while it runs. The kernel exempts root, so that as root the program
 * must be another user's: it is to be begun with `as`.
 */
export function processLimit(): { as: readonly string[]; usual: string; set(pid: number, soft: string): void } | { why: string } {
  const as = process.getuid?.() === 0 ? ['setpriv', '--reuid', NOBODY, '--clear-groups'] : [];
  const run = (...args: string[]): string => {
    const [command, ...rest] = [...as, ...args];
    return execFileSync(command!, rest, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  };
  try {
    const usual = run('prlimit', '--nproc', '--output', 'SOFT', '--noheadings').trim();
    run(process.execPath, '-e', `fs.readFileSync(${JSON.stringify(join(fixtures, '../../../dist/src/index.js'))})`);
    return { as, usual, set: (pid, soft) => void run('prlimit', '--pid', String(pid), `--nproc=${soft}:`) };
  } catch (error) {
    return { why: `the limit of processes cannot be set: ${(error as Error).message.split('\n', 2).join(' ')}` };
  }
}
