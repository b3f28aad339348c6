/** `start`: the plugins of a folder, supervised in the foreground. Owns what is said of it; foreground.ts has the order of things. */
import { createSupervisor, type Logger, type Supervisor, type WaitFor } from '../../index.ts';
import { readConfiguration, type ConfigurationFlags } from '../configuration.ts';
import type { ClientFlags } from '../context.ts';
import { factsOf } from '../errors.ts';
import { runInForeground } from '../foreground.ts';
import { announce, jsonLine, plainLine } from '../terminal.ts';

export type StartFlags = ConfigurationFlags & ClientFlags;

export async function start(flags: StartFlags): Promise<number> {
  const { baseDir, options } = await readConfiguration(flags);
  return runInForeground({
    flags,
    baseDir,
    logLevel: options.logLevel ?? 'info',
    // Operators may look, call and stop while plugins start.
    create: (logger) => createSupervisor({ ...options, logger, waitFor: 'none' }),
    run: async (supervisor, _logger, socket) => ({
      started: sayReady(supervisor, options.waitFor, () => readyLine(supervisor, socket, flags.json === true)),
      end: async () => {},
    }),
    reread: (supervisor, logger) => reread(supervisor, flags, logger),
  });
}

async function sayReady(supervisor: Supervisor, waitFor: WaitFor | undefined, line: () => string): Promise<void> {
  await supervisor.whenStarted(waitFor);
  if (supervisor.status().state === 'running') announce(line());
}

function readyLine(supervisor: Supervisor, socket: string, json: boolean): string {
  const { pid, plugins, refused } = supervisor.status();
  const active = plugins.filter(({ state }) => state === 'active').length;
  if (json) return jsonLine({ ready: true, pid, socket, plugins: plugins.length, active, refused: refused.length });
  const troubles = [
    ...(active < plugins.length ? [`${plugins.length - active} not active`] : []),
    ...(refused.length > 0 ? [`${refused.length} refused (see \`chameleon-supervisor status\`)`] : []),
  ];
  return `ready: ${[`${active} ${active === 1 ? 'plugin' : 'plugins'}`, ...troubles].join(', ')}; pid ${pid}, socket ${plainLine(socket)}`;
}

/** A configuration with a mistake changes nothing. */
async function reread(supervisor: Supervisor, flags: StartFlags, logger: Logger): Promise<void> {
  try {
    const { options } = await readConfiguration(flags);
    const { changed, failed } = await supervisor.reconfigure({ ...options, logger });
    logger.info(`configuration re-read: ${changed.length === 0 ? 'nothing has changed' : `${changed.join(', ')} changed`}`, { changed });
    for (const { plugin, error } of failed) logger.error(`configuration re-read: ${plugin} is as it was: ${error.message}`, { plugin });
  } catch (error) {
    const facts = factsOf(error);
    logger.error(`configuration re-read: nothing is changed: ${facts.message}`, { code: facts.code });
  }
}
