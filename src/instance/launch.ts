/** How a release is run: our runner with a channel of its own, or the plugin's own command on stdin and stdout. */
import { createRequire } from 'node:module';
import type { Release } from '../catalog/release.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import { childEnvironment } from '../process/environment.ts';
import type { SpawnPlan } from '../process/spawn.ts';
import { INSTANCE_MARKER } from '../protocol/messages.ts';

const runner = createRequire(import.meta.url).resolve('#runner');

export function launchPlan(release: Release, options: ResolvedPluginOptions, marker: string): SpawnPlan {
  const env = childEnvironment(process.env, options, { [INSTANCE_MARKER]: marker });
  const { command } = release.manifest;
  if (command !== null) {
    const [file, ...args] = command;
    return { file: file!, args, cwd: release.dir, env, transport: 'stdio' };
  }
  return { file: options.nodePath, args: [...options.execArgv, runner], cwd: release.dir, env, transport: 'dedicated' };
}
