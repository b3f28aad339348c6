/** The commands that change which version runs, their arguments and help. */
import { InvalidArgumentError, type Command } from 'commander';
import type { CanaryStep } from '../index.ts';
import type { RolloutFlags } from './commands/rollout.ts';
import { client, milliseconds, toggle, value } from './flags.ts';
import type { ClientFlags } from './context.ts';

type Done = (exitCode: number | void) => void;

export function addChanging(root: Command, done: Done): void {
  const load = root.command('load').description('start the plugin of a folder; switch to it when another version is active').argument('<dir>');
  client(withRollout(load), ['load ./plugins/hello/2.0.0', 'load ./plugins/hello/2.0.0 --canary 5:60000,50:60000 --hold 300000']).action(
    async (dir: string, flags: RolloutFlags) => done(await (await import('./commands/rollout.ts')).load(dir, flags)),
  );
  const reload = root.command('reload').description('replace the process of a plugin, without a failed call').argument('<name>');
  client(withRollout(reload), ['reload hello']).action(async (name: string, flags: RolloutFlags) =>
    done(await (await import('./commands/rollout.ts')).reload(name, flags)),
  );
  const rollback = root
    .command('rollback')
    .description('switch back to the version that was active before; at once while it is held')
    .argument('<name>');
  client(rollback, ['rollback hello']).action(async (name: string, flags: ClientFlags) =>
    done(await (await import('./commands/rollout.ts')).rollback(name, flags)),
  );
  const unload = root.command('unload').description('drain and stop a plugin, or one version of it').argument('<name[@version]>');
  client(unload, ['unload hello', 'unload hello@1.0.0']).action(async (reference: string, flags: ClientFlags) =>
    done(await (await import('./commands/rollout.ts')).unload(reference, flags)),
  );
}

function withRollout(command: Command): Command {
  return command
    .addOption(value('--canary <steps>', 'give it a share of the calls first: PERCENT or PERCENT:MS, several with commas').argParser(steps))
    .addOption(value('--shadow <percent>', 'give it copies of this share of the readonly calls first').argParser(percent))
    .addOption(value('--hold <ms>', 'how long the version that it replaces is kept warm').argParser(duration))
    .addOption(toggle('--exclusive', 'stop the old version before the new one starts; calls wait'))
    .addOption(toggle('--force', 'go on although methods are gone, or take less'))
    .addOption(toggle('--supersede', 'end the rollout of this plugin that is under way'));
}

const DEFAULT_STEP_MS = 30_000;

function steps(given: string): CanaryStep[] {
  return given.split(',').map((step) => {
    const [share, ms, ...rest] = step.split(':');
    if (rest.length > 0) throw new InvalidArgumentError('PERCENT or PERCENT:MS is expected, such as 5:60000,50:60000.');
    return { percent: percent(share!), forMs: ms === undefined ? DEFAULT_STEP_MS : milliseconds(ms) };
  });
}

function percent(given: string): number {
  const share = Number(given);
  if (!/^[0-9]+(\.[0-9]+)?$/.test(given) || share > 100) throw new InvalidArgumentError('A share from 0 to 100 is expected.');
  return share;
}

function duration(given: string): number {
  return given === '0' ? 0 : milliseconds(given);
}
