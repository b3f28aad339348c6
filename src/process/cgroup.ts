/**
 * A control group for a child, where one can be made: all that the child starts stays in it, and the kernel ends it at once, without a
 * pid that could be another's. Needs cgroup v2, Linux 5.14, and the right to make a group below our own.
 *
 * 1. No process is ended that came into a group because its pid was the child's before.
 * 2. A group is removed once it is empty.
 */
import { promises } from 'node:fs';
import { join } from 'node:path';
import { dateNow, setTimeout } from '../util/timers.ts';

export interface ConfinedChild {
  readonly pid: number;
  /** False once the pid may be another process's. */
  readonly holdsPid: boolean;
}

const PREFIX = 'chameleon-';
/** `chameleon-<pid namespace>-<marker>`: a marker means nothing in another namespace. */
const NAME = /^chameleon-([0-9]+)-([0-9]+-[0-9]+-[0-9a-f-]{36})$/;
const ATTEMPTS = 50;
const PAUSE_MS = 10;
const STALE_MS = 60_000;
/** These say nothing of the next attempt. */
const PASSING = ['ESRCH', 'EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'ENOENT'];

let place: Promise<{ dir: string; namespace: string } | null> | null = null;
/** Groups cannot be made here, which was tried. */
let isRefused = false;

export class Cgroup {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Moves the child into a group of its own; null where that is not possible. */
  static async around(child: ConfinedChild, marker: string): Promise<Cgroup | null> {
    place ??= findPlace();
    const parent = isRefused ? null : await place;
    if (parent === null) return null;
    const cgroup = new Cgroup(join(parent.dir, `${PREFIX}${parent.namespace}-${marker}`));
    try {
      await promises.mkdir(cgroup.#dir);
      await promises.access(join(cgroup.#dir, 'cgroup.kill'));
      // The kernel takes some milliseconds to move a process, so it is no synchronous call.
      if (child.holdsPid) await promises.writeFile(join(cgroup.#dir, 'cgroup.procs'), String(child.pid));
      if (child.holdsPid) return cgroup;
      // Keeps 1.
      for (const pid of await cgroup.processes()) await promises.writeFile(join(parent.dir, 'cgroup.procs'), String(pid));
    } catch (error) {
      isRefused ||= !PASSING.includes((error as NodeJS.ErrnoException).code ?? '');
    }
    await remove(cgroup.#dir);
    return null;
  }

  /** SIGKILL for every process in it. */
  async kill(): Promise<void> {
    await promises.writeFile(join(this.#dir, 'cgroup.kill'), '1').catch(() => {});
  }

  /** Ends what is left in it, and removes it. Leaves it where something in it does not end. */
  async end(): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS && !(await remove(this.#dir)); attempt++) {
      await this.kill();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  /** Pids as they are at this moment. */
  async processes(): Promise<number[]> {
    const list = await promises.readFile(join(this.#dir, 'cgroup.procs'), 'latin1').catch(() => '');
    return list
      .split('\n')
      .map(Number)
      .filter((pid) => pid > 0);
  }
}

/** The group of this process, when it was made for the child with this marker; else null. */
export async function cgroupOf(marker: string | undefined): Promise<Cgroup | null> {
  const dir = await ownFolder();
  return dir !== null && NAME.exec(dir.slice(dir.lastIndexOf('/') + 1))?.[2] === marker ? new Cgroup(dir) : null;
}

/** Ends what supervisors for which `isOver` holds have left in groups beside ours; resolves with the pids. */
export async function sweepCgroups(isOver: (marker: string) => Promise<boolean>): Promise<number[]> {
  place ??= findPlace();
  const parent = await place;
  if (parent === null) return [];
  const swept: number[] = [];
  for (const name of await promises.readdir(parent.dir).catch(() => [])) {
    const [, namespace, marker] = NAME.exec(name) ?? [];
    if (marker === undefined) continue;
    const dir = join(parent.dir, name);
    if (namespace !== parent.namespace) await removeOld(dir);
    else if (await isOver(marker)) {
      const cgroup = new Cgroup(dir);
      swept.push(...(await cgroup.processes()));
      await cgroup.end();
    }
  }
  return swept;
}

/** A group whose owner cannot be told is removed only when it is empty, and not just being filled. */
async function removeOld(dir: string): Promise<void> {
  const stats = await promises.stat(dir).catch(() => null);
  if (stats !== null && dateNow() - stats.ctimeMs > STALE_MS) await promises.rmdir(dir).catch(() => {});
}

async function findPlace(): Promise<{ dir: string; namespace: string } | null> {
  const dir = await ownFolder();
  const link = await promises.readlink('/proc/self/ns/pid').catch(() => '');
  const namespace = /^pid:\[([0-9]+)\]$/.exec(link)?.[1];
  return dir === null || namespace === undefined ? null : { dir, namespace };
}

/** The folder of this process's own group; null where there is no cgroup v2, or not all of its tree can be seen. */
async function ownFolder(): Promise<string | null> {
  try {
    const path = /^0::(\/.*)$/m.exec(await promises.readFile('/proc/self/cgroup', 'utf8'))?.[1];
    const mount = /^\S+ \S+ \S+ (\S+) (\S+) .* - cgroup2 /m.exec(await promises.readFile('/proc/self/mountinfo', 'utf8'));
    if (path === undefined || mount === null) return null;
    const [root, point] = [mount[1]!, mount[2]!].map((field) =>
      field.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal as string, 8))),
    );
    const isVisible = root === '/' || path === root || path.startsWith(`${root}/`);
    return isVisible && !path.startsWith('/..') ? join(point!, root === '/' ? path : path.slice(root!.length)) : null;
  } catch {
    return null;
  }
}

/** False while there are processes in it. */
async function remove(dir: string): Promise<boolean> {
  try {
    await promises.rmdir(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    const inner = await promises.readdir(dir, { withFileTypes: true }).catch(() => []);
    const removed = await Promise.all(inner.filter((entry) => entry.isDirectory()).map((entry) => remove(join(dir, entry.name))));
    return removed.length > 0 && !removed.includes(false) && remove(dir);
  }
  return true;
}
