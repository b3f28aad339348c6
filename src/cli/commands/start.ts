/**
 * `start`: a supervisor in the foreground, from the socket's being free to the last answer. Owns the order of starting and of ending;
 * what stopping means for plugins is the supervisor's business.
 *
 * 1. Nothing is started before the control socket is ours.
 * 2. The socket answers until the last call has.
 */
import { createDefaultLogger, createSupervisor, type Logger, type Supervisor } from '../../index.ts';
import { readConfiguration, type ConfigurationFlags } from '../configuration.ts';
import type { ClientFlags } from '../context.ts';
import { LogRing, teeLogger } from '../control/log-ring.ts';
import { ControlServer } from '../control/server.ts';
import { prepareFolder, socketPath } from '../control/socket-path.ts';
import { Exit, factsOf } from '../errors.ts';
import { watchSignals } from '../signals.ts';
import { onReaderGone, print } from '../terminal.ts';

export type StartFlags = ConfigurationFlags & ClientFlags;

/** A second signal stops within two seconds, of which the supervisor gets this much. */
const STOP_NOW_MS = 1_500;
/** A straggling handle must not keep the process once all is stopped. */
const LINGER_MS = 1_000;

export async function start(flags: StartFlags): Promise<number> {
  onReaderGone(true);
  const configuration = await readConfiguration(flags);
  const socket = socketPath(flags.socket, configuration.baseDir);
  prepareFolder(socket, flags.socket !== undefined);
  const ring = new LogRing();
  const logger = teeLogger(
    ring,
    await createDefaultLogger({ level: configuration.options.logLevel ?? 'info', json: flags.json === true || !process.stderr.isTTY }),
  );

  const control = await ControlServer.listen(socket); // Keeps 1.
  const target = createSupervisor({ ...configuration.options, logger });
  control.serve({ target, ring });

  let supervisor: Supervisor | null = null;
  const signals = watchSignals({
    stopNow: (signal) => stopNow(supervisor, logger, signal),
    hangup: async () => reread(await target, flags, logger),
  });
  try {
    supervisor = await target;
    await print(readyLine(supervisor, socket, flags.json === true));
    const signal = await signals.stop;
    logger.info(`${signal}: finishing the running calls, then stopping; once more stops at once`);
    const report = await supervisor.close();
    logger.info('stopped', report);
  } finally {
    await control.close(); // Keeps 2.
    signals.forget();
  }
  setTimeout(() => process.exit(), LINGER_MS).unref();
  return Exit.done;
}

function readyLine(supervisor: Supervisor, socket: string, json: boolean): string {
  const { pid, plugins, refused } = supervisor.status();
  const active = plugins.filter(({ state }) => state === 'active').length;
  if (json) return JSON.stringify({ ready: true, pid, socket, plugins: plugins.length, active, refused: refused.length });
  const troubles = [
    ...(active < plugins.length ? [`${plugins.length - active} not active`] : []),
    ...(refused.length > 0 ? [`${refused.length} refused (see \`chameleon-supervisor status\`)`] : []),
  ];
  return `ready: ${[`${active} ${active === 1 ? 'plugin' : 'plugins'}`, ...troubles].join(', ')}; pid ${pid}, socket ${socket}`;
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

/** A machine so busy that the supervisor cannot end its children in time must not keep them: the rest is killed without looking further. */
async function stopNow(supervisor: Supervisor | null, logger: Logger, signal: NodeJS.Signals): Promise<void> {
  logger.warn(`${signal} again: stopping at once`);
  if (supervisor === null) return;
  const late = new Promise<void>((resolve) => setTimeout(resolve, STOP_NOW_MS));
  await Promise.race([supervisor.close({ drainTimeoutMs: 0 }), late]);
  for (const { versions } of supervisor.status().plugins) {
    for (const { instances } of versions) for (const { pid, state } of instances) if (pid !== null && state !== 'exited') killGroup(pid);
  }
}

/** Each child leads a process group of its own. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
