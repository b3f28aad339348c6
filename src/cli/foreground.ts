/**
 * A supervisor in the foreground, for `start` and `dev`: from the socket's being free to the last answer. Owns the order of starting and of
 * ending; what runs in between is the command's.
 *
 * 1. Nothing is started before the control socket is ours.
 * 2. The socket answers until the last call has.
 */
import { createDefaultLogger, type Logger, type LogLevel, type Supervisor } from '../index.ts';
import type { ClientFlags } from './context.ts';
import { LogRing, teeLogger } from './control/log-ring.ts';
import { ControlServer } from './control/server.ts';
import { prepareFolder, socketPath } from './control/socket-path.ts';
import { Exit } from './errors.ts';
import { watchSignals } from './signals.ts';
import { onReaderGone } from './terminal.ts';

export interface Foreground {
  flags: ClientFlags;
  /** The folder that the socket belongs to. */
  baseDir: string;
  logLevel: LogLevel;
  create(logger: Logger): Promise<Supervisor>;
  /** Once the supervisor runs. What it answers with is done before the supervisor is closed. */
  run(supervisor: Supervisor, logger: Logger, socket: string): Promise<() => Promise<void>>;
  /** On SIGHUP. */
  reread(supervisor: Supervisor, logger: Logger): Promise<void>;
}

/** A second signal stops within two seconds, of which the supervisor gets this much. */
const STOP_NOW_MS = 1_500;
/** A straggling handle must not keep the process once all is stopped. */
const LINGER_MS = 1_000;

export async function runInForeground({ flags, baseDir, logLevel, create, run, reread }: Foreground): Promise<number> {
  onReaderGone(true);
  const socket = socketPath(flags.socket, baseDir);
  prepareFolder(socket, flags.socket !== undefined);
  const ring = new LogRing();
  const logger = teeLogger(ring, await createDefaultLogger({ level: logLevel, json: flags.json === true || !process.stderr.isTTY }));

  const control = await ControlServer.listen(socket); // Keeps 1.
  const target = create(logger);
  control.serve({ target, ring });

  let supervisor: Supervisor | null = null;
  const signals = watchSignals({
    stopNow: (signal) => stopNow(supervisor, logger, signal),
    hangup: async () => reread(await target, logger),
  });
  try {
    supervisor = await target;
    const end = await run(supervisor, logger, socket);
    const signal = await signals.stop;
    logger.info(`${signal}: finishing the running calls, then stopping; once more stops at once`);
    await end();
    const report = await supervisor.close();
    logger.info('stopped', report);
  } finally {
    await control.close(); // Keeps 2.
    signals.forget();
  }
  setTimeout(() => process.exit(), LINGER_MS).unref();
  return Exit.done;
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
