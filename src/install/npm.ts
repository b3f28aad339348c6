/**
 * One run of npm. It has the user's own configuration and environment, so that registries and credentials are those that the user has;
 * no configuration of a project, ours or the plugin's.
 *
 * 1. When the promise settles, npm and all that it started are gone.
 */
import { once } from 'node:events';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { devNull, homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { childEnvironment } from '../process/environment.ts';
import { redact } from '../process/redact.ts';
import type { RawExit } from '../process/exit.ts';
import { withoutInherited } from '../process/inherited.ts';
import { ProcessTree } from '../process/process-tree.ts';
import { INSTANCE_MARKER } from '../protocol/messages.ts';
import { absolutePath, npmCommand } from '../util/programs.ts';
import { within } from '../util/within.ts';

export interface NpmRun {
  cwd: string;
  /** The folder's own configuration of npm is that of this folder, which holds none. */
  marker: string;
  /** A folder for npm's cache, where this user may not write into its usual one. */
  spareCache: string;
  /** Whether scripts of packages run: then the environment is that of a plugin, not ours. */
  scripts?: boolean;
  signal?: AbortSignal | undefined;
}

/** npm failed; `output` is the end of what it wrote, with secrets struck out. */
export class NpmError extends Error {
  readonly output: string;
  constructor(message: string, output: string) {
    super(message);
    this.output = output;
  }
}

const LAST_WORDS_MS = 1_000;
const TAIL_BYTES = 8 * 1_024;
const ALWAYS = ['--no-audit', '--no-fund', '--no-update-notifier', '--no-progress', '--loglevel=error', '--logs-max=0', '--global=false'];
/** A second wall behind our lockfile: no git is ever started, whatever npm comes to think. Nothing may execute this file. */
const NO_GIT = `--git=${devNull}`;

/** Throws `NpmError`, and the signal's reason when that was aborted. */
export async function npm(args: readonly string[], run: NpmRun): Promise<void> {
  const cache = (await isCacheUsable(run)) ? [] : [`--cache=${run.spareCache}`];
  await runNpm([...args, ...cache, NO_GIT, `--ignore-scripts=${run.scripts !== true}`], run);
}

/** Resolves with the end of what npm wrote to stdout. */
async function runNpm(args: readonly string[], { cwd, marker, scripts = false, signal }: NpmRun): Promise<string> {
  signal?.throwIfAborted();
  const [file, ...before] = (await npmCommand()) ?? [];
  signal?.throwIfAborted();
  if (file === undefined) throw new NpmError('there is no npm beside Node, and none in an absolute folder of PATH', '');
  const child = execa(file, [...before, ...args, ...ALWAYS, `--prefix=${cwd}`], {
    cwd,
    env: environment(marker, scripts),
    extendEnv: false,
    stdio: withoutInherited(['ignore', 'pipe', 'pipe']) as ['ignore', 'pipe', 'pipe'],
    detached: true,
    cleanup: false,
    buffer: false,
    reject: false,
  });
  let [output, answer] = ['', ''];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-TAIL_BYTES);
      if (stream === child.stdout) answer = (answer + text).slice(-TAIL_BYTES);
    });
    stream.on('error', () => {});
  }
  const { pid } = child;
  if (pid === undefined) {
    await child;
    throw new NpmError(`npm could not be started: ${file}`, '');
  }
  const closed = once(child, 'close');
  const tree = new ProcessTree(child, pid, marker);
  const stop = (): void => void tree.kill();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const exit = await tree.ended;
    await tree.sweep(); // Keeps 1.
    // Its last words are its reason.
    await within(LAST_WORDS_MS, closed);
    signal?.throwIfAborted();
    if (exit.kind !== 'exited' || exit.code !== 0) throw new NpmError(`npm ${args[0]} ended with ${howItEnded(exit)}`, redact(output));
    return answer;
  } finally {
    signal?.removeEventListener('abort', stop);
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

/** Users without a home, such as those of services, have no cache of npm's. */
async function isCacheUsable(run: NpmRun): Promise<boolean> {
  if (await isWritable(join(homedir(), '.npm'))) return true;
  const configured = await runNpm(['config', 'get', 'cache'], { ...run, scripts: false });
  return isWritable(configured.trim());
}

/** True if this user may write there, or make it where it is not there yet. */
async function isWritable(cache: string): Promise<boolean> {
  for (const folder of [join(cache, '_cacache', 'tmp'), join(cache, '_cacache'), cache]) {
    const answer = await mayWrite(folder);
    if (answer !== null) return answer;
  }
  for (let folder = dirname(cache); ; folder = dirname(folder)) {
    const answer = await mayWrite(folder);
    if (answer !== null || folder === dirname(folder)) return answer === true;
  }
}

/** Null when it is not there. */
function mayWrite(path: string): Promise<boolean | null> {
  return access(path, constants.W_OK | constants.X_OK).then(
    () => true,
    ({ code }: NodeJS.ErrnoException) => (code === 'ENOENT' ? null : false),
  );
}

function howItEnded(exit: RawExit): string {
  if (exit.kind !== 'exited') return 'no exit';
  return exit.signal ?? `exit code ${exit.code}`;
}

function environment(marker: string, scripts: boolean): Record<string, string> {
  const own = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  if (!scripts) {
    const kept = own.filter(([name]) => !/^(?:NODE_OPTIONS|NODE_CHANNEL_.*|npm_(?:lifecycle|package)_.*)$/.test(name));
    return { ...Object.fromEntries(kept), PATH: absolutePath(process.env['PATH']), [INSTANCE_MARKER]: marker };
  }
  // What npm itself goes by; credentials in it are npm's, and it keeps them from scripts.
  const passEnv = own.map(([name]) => name).filter((name) => /^(?:npm_config_.*|(?:https?|no)_proxy)$/i.test(name));
  return childEnvironment(process.env, { env: {}, passEnv }, { [INSTANCE_MARKER]: marker });
}
