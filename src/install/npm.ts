/**
 * One run of npm. It has the user's own configuration and environment, so that registries and credentials are those that the user has;
 * no configuration of a project, ours or the plugin's.
 *
 * 1. When the promise settles, npm and all that it started are gone.
 */
import { once } from 'node:events';
import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { childEnvironment } from '../process/environment.ts';
import { redact } from '../process/redact.ts';
import { killHard, sweepInstance } from '../process/terminate.ts';
import { INSTANCE_MARKER } from '../protocol/messages.ts';
import { within } from '../util/within.ts';

export interface NpmRun {
  cwd: string;
  /** The folder's own configuration of npm is that of this folder, which holds none. */
  marker: string;
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

/** Throws `NpmError`, and the signal's reason when that was aborted. */
export async function npm(args: readonly string[], { cwd, marker, scripts = false, signal }: NpmRun): Promise<void> {
  signal?.throwIfAborted();
  const [file, ...before] = await npmCommand();
  const child = execa(file!, [...before, ...args, ...ALWAYS, `--ignore-scripts=${!scripts}`, `--prefix=${cwd}`], {
    cwd,
    env: environment(marker, scripts),
    extendEnv: false,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    cleanup: false,
    buffer: false,
    reject: false,
  });
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (tail = (tail + text).slice(-TAIL_BYTES)));
    stream.on('error', () => {});
  }
  const { pid } = child;
  if (pid === undefined) {
    await child;
    throw new NpmError('npm could not be started; it is looked for beside Node, then on PATH', '');
  }
  const closed = once(child, 'close');
  const stop = (): void => void killHard(pid);
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const [code, killedBy] = (await once(child, 'exit')) as [number | null, string | null];
    await sweepInstance(pid, marker); // Keeps 1.
    // Its last words are its reason.
    await within(LAST_WORDS_MS, closed);
    signal?.throwIfAborted();
    if (code !== 0) throw new NpmError(`npm ${args[0]} ended with ${killedBy ?? `exit code ${code}`}`, redact(tail));
  } finally {
    signal?.removeEventListener('abort', stop);
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

/** npm's script is run by our own Node, whichever one the PATH has. */
async function npmCommand(): Promise<string[]> {
  const beside = await realpath(join(dirname(process.execPath), 'npm')).catch(() => null);
  if (beside === null) return ['npm'];
  return beside.endsWith('.js') ? [process.execPath, beside] : [beside];
}

function environment(marker: string, scripts: boolean): Record<string, string> {
  const own = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  if (!scripts) {
    const kept = own.filter(([name]) => !/^(?:NODE_OPTIONS|NODE_CHANNEL_.*|npm_(?:lifecycle|package)_.*)$/.test(name));
    return { ...Object.fromEntries(kept), [INSTANCE_MARKER]: marker };
  }
  // What npm itself goes by; credentials in it are npm's, and it keeps them from scripts.
  const passEnv = own.map(([name]) => name).filter((name) => /^(?:npm_config_.*|(?:https?|no)_proxy)$/i.test(name));
  return childEnvironment(process.env, { env: {}, passEnv }, { [INSTANCE_MARKER]: marker });
}
