/** How a release is run: our runner with a channel of its own, or the plugin's own command on stdin and stdout. */
import { existsSync } from 'node:fs';
import { delimiter, isAbsolute, join, parse } from 'node:path';
import type { Release } from '../catalog/release.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import { childEnvironment } from '../process/environment.ts';
import type { SpawnPlan } from '../process/spawn.ts';
import { INSTANCE_MARKER } from '../protocol/messages.ts';
import { ownPackage } from '../util/own-package.ts';

const RUNNER = 'dist/runner/main.cjs';
/** What Node, or the loader of its libraries, reads before any of our code runs, and may take for a path from the working directory. */
const READ_AT_START = /^(?:NODE_(?!ENV$)|LD_|DYLD_|OPENSSL_)/;

/** Without the marker, which each child has of its own. */
export function launchPlan(release: Release, options: ResolvedPluginOptions): SpawnPlan {
  const env = childEnvironment(process.env, options, {});
  const { command } = release.manifest;
  if (command !== null) {
    const [file, ...args] = command;
    return { file: file!, args, cwd: release.dir, env, transport: 'stdio' };
  }
  // After `execArgv`, whose address it replaces: two children cannot have the same port.
  const inspect = options.debug ? ['--inspect=127.0.0.1:0'] : [];
  const args = [...diagnosticArgs(release.dir, options.execArgv, env), ...options.execArgv, ...inspect, join(ownPackage()?.dir ?? '', RUNNER)];
  return { file: options.nodePath, args, cwd: release.dir, env, transport: 'dedicated' };
}

/**
 * Options that have Node write profiles, heap snapshots and reports outside of an installed version's own files, which are compared
 * with what was installed. A plugin without options of Node has no need of them, and starts as fast as ever.
 */
function diagnosticArgs(dir: string, execArgv: readonly string[], env: Readonly<Record<string, string>>): string[] {
  const nodeOptions = env['NODE_OPTIONS'] ?? '';
  if (execArgv.length === 0 && nodeOptions === '') return [];
  const folder = join(dir, '.chameleon/diagnostics');
  if (!existsSync(folder)) return [];
  // Options of the command line win over NODE_OPTIONS, and later ones over earlier ones.
  const unset = [['--diagnostic-dir'], ['--report-directory', '--report-dir']].filter((names) => !names.some((name) => nodeOptions.includes(name)));
  return unset.map(([name]) => `${name}=${folder}`);
}

export const marked = (plan: SpawnPlan, marker: string): SpawnPlan => ({ ...plan, env: { ...plan.env, [INSTANCE_MARKER]: marker } });

const isRelative = ([name, value]: [string, string]): boolean =>
  READ_AT_START.test(name) && !value.split(delimiter).every((path) => isAbsolute(path));

/** For a child that waits for such a plugin: out of its folder, unless what Node is started with may be relative to that. Null for a command,
 * and for a plugin with a debugger: a spare would have an inspector too. */
export function sparePlan(release: Release, options: ResolvedPluginOptions): SpawnPlan | null {
  const plan = launchPlan(release, options);
  if (plan.transport === 'stdio' || options.debug) return null;
  const isBound = options.execArgv.length > 0 || !isAbsolute(plan.file) || Object.entries(plan.env).some(isRelative);
  // Whatever folder it waits in cannot be removed on some systems, nor its volume unmounted on any.
  return isBound ? plan : { ...plan, cwd: parse(plan.file).root };
}

/** The same for plans whose children are alike. */
export function keyOf({ file, args, cwd, env }: SpawnPlan): string {
  return JSON.stringify([file, args, cwd, Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))]);
}
