/** How a release is run: our runner with a channel of its own, or the plugin's own command on stdin and stdout. */
import { createRequire } from 'node:module';
import { delimiter, isAbsolute, parse } from 'node:path';
import type { Release } from '../catalog/release.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import { childEnvironment } from '../process/environment.ts';
import type { SpawnPlan } from '../process/spawn.ts';
import { INSTANCE_MARKER } from '../protocol/messages.ts';

const runner = createRequire(import.meta.url).resolve('#runner');
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
  return { file: options.nodePath, args: [...options.execArgv, runner], cwd: release.dir, env, transport: 'dedicated' };
}

export const marked = (plan: SpawnPlan, marker: string): SpawnPlan => ({ ...plan, env: { ...plan.env, [INSTANCE_MARKER]: marker } });

const isRelative = ([name, value]: [string, string]): boolean =>
  READ_AT_START.test(name) && !value.split(delimiter).every((path) => isAbsolute(path));

/** For a child that waits for such a plugin: out of its folder, unless what Node is started with may be relative to that. Null for a command. */
export function sparePlan(release: Release, options: ResolvedPluginOptions): SpawnPlan | null {
  const plan = launchPlan(release, options);
  if (plan.transport === 'stdio') return null;
  const isBound = options.execArgv.length > 0 || !isAbsolute(plan.file) || Object.entries(plan.env).some(isRelative);
  // Whatever folder it waits in cannot be removed on some systems, nor its volume unmounted on any.
  return isBound ? plan : { ...plan, cwd: parse(plan.file).root };
}

/** The same for plans whose children are alike. */
export function keyOf({ file, args, cwd, env }: SpawnPlan): string {
  return JSON.stringify([file, args, cwd, Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))]);
}
