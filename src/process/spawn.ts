/**
 * One operating system process: its pipes, and one promise of its end. Knows no RPC.
 *
 * 1. Never throws and never emits an uncaught `error`: a child that could not be spawned is one that ended.
 * 2. `ended` follows `exit`, not `close`: a grandchild that holds a pipe delays nothing.
 */
import type { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Duplex, Readable, Writable } from 'node:stream';
import { execa } from 'execa';
import { CHANNEL_FD, CLOSE_DESCRIPTORS, INSTANCE_MARKER } from '../protocol/messages.ts';
import type { RawExit } from './exit.ts';
import { inheritedFrom, withoutInherited } from './inherited.ts';
import { ProcessTree } from './process-tree.ts';

export interface SpawnPlan {
  file: string;
  args: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** `dedicated`: a duplex pipe of its own. `stdio`: stdin and stdout carry the channel. */
  transport: 'dedicated' | 'stdio';
}

export interface Spawned {
  /** Null when it could not be spawned. */
  readonly pid: number | null;
  readonly tree: ProcessTree | null;
  readonly channel: { readable: Readable; writable: Writable } | null;
  /** Streams that carry nothing but text. */
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly ended: Promise<RawExit>;
  /** Lets go of every pipe. */
  release(): void;
}

export function spawn(plan: SpawnPlan): Spawned {
  const dedicated = plan.transport === 'dedicated';
  const created: ChildProcess[] = [];
  const note = (message: unknown): void => void created.push((message as { process: ChildProcess }).process);
  subscribe('child_process', note);
  try {
    return spawned(start(plan, dedicated), dedicated, plan.env[INSTANCE_MARKER] ?? '');
  } catch (error) {
    return stillborn(created, error as Error);
  } finally {
    unsubscribe('child_process', note);
  }
}

const PIPES = ['pipe', 'pipe', 'pipe'] as const;
const DEDICATED_PIPES = ['ignore', ...PIPES] as const;

function start(plan: SpawnPlan, dedicated: boolean) {
  // Our runner closes what it inherits: execa takes tenths of a millisecond for each number below the highest descriptor.
  const foreign = dedicated ? inheritedFrom(DEDICATED_PIPES.length) : [];
  return execa(plan.file, plan.args, {
    cwd: plan.cwd,
    env: foreign.length === 0 ? plan.env : { ...plan.env, [CLOSE_DESCRIPTORS]: foreign.join(',') },
    extendEnv: false,
    stdio: (dedicated ? DEDICATED_PIPES : withoutInherited(PIPES)) as ['pipe', 'pipe', 'pipe'],
    // A group of its own: a terminal's Ctrl-C is not for it, and a signal to the group reaches all that it starts.
    detached: true,
    cleanup: false,
    buffer: false,
    reject: false,
    windowsHide: true,
  });
}

/** Without descriptors Node makes a child that has no streams; execa throws over that, and nobody would hear the child's `error`. */
function stillborn(created: readonly ChildProcess[], thrown: Error): Spawned {
  const ended = new Promise<RawExit>((resolve) => {
    for (const child of created) child.on('error', (error) => resolve({ kind: 'not-spawned', error }));
    if (created.length === 0) resolve({ kind: 'not-spawned', error: thrown });
  });
  return { pid: null, tree: null, channel: null, stdout: null, stderr: null, ended, release() {} };
}

function spawned(child: ReturnType<typeof start>, dedicated: boolean, marker: string): Spawned {
  const pipes = child.stdio.filter((stream) => stream !== null && stream !== undefined);
  for (const pipe of pipes) pipe.on('error', ignore);
  const release = (): void => {
    for (const pipe of pipes) pipe.destroy();
  };
  if (child.pid === undefined) {
    const ended = child.then((result): RawExit => ({ kind: 'not-spawned', error: spawnError(result) }));
    return { pid: null, tree: null, channel: null, stdout: null, stderr: null, ended, release };
  }
  const tree = new ProcessTree(child, child.pid, marker);
  // A command starts its plugin by itself.
  tree.confine(!dedicated);
  const own = child.stdio[CHANNEL_FD] as Duplex | undefined;
  const channel = dedicated ? { readable: own!, writable: own! } : { readable: child.stdout, writable: child.stdin };
  return { pid: tree.pid, tree, channel, stdout: dedicated ? child.stdout : null, stderr: child.stderr, ended: tree.ended, release };
}

/** Every reader of a pipe has a listener of its own; this one only keeps an error from being uncaught. */
function ignore(): void {}

function spawnError(result: unknown): NodeJS.ErrnoException {
  const { cause, originalMessage, code } = result as { cause?: unknown; originalMessage?: string; code?: string };
  if (cause instanceof Error) return cause;
  return Object.assign(new Error(originalMessage ?? 'spawn failed'), { code });
}
