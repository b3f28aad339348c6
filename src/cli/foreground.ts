/**
 * A supervisor in the foreground, for `start` and `dev`: from the socket's being free to the last answer. Owns the order of starting and of
 * ending; what runs in between is the command's.
 *
 * 1. Nothing is started before the control socket is ours.
 * 2. The socket answers as soon as the plugins are being started, until the last call has its answer.
 * 3. A signal ends a start as it ends what runs.
 */
import { createDefaultLogger, type Logger, type LogLevel, type Supervisor } from '../index.ts';
import type { ClientFlags } from './context.ts';
import { LogRing, teeLogger } from './control/log-ring.ts';
import { ControlServer } from './control/server.ts';
import { prepareFolder, socketPath } from './control/socket-path.ts';
import { endProcess } from './end-process.ts';
import { Exit } from './errors.ts';
import { watchParent } from './parent.ts';
import { watchSignals } from './signals.ts';
import { onReaderGone } from './terminal.ts';
import { setTimeout } from '../util/timers.ts';

export interface Foreground {
  flags: ClientFlags;
  /** The folder that the socket belongs to. */
  baseDir: string;
  logLevel: LogLevel;
  create(logger: Logger): Promise<Supervisor>;
  /** Once the supervisor takes calls. */
  run(supervisor: Supervisor, logger: Logger, socket: string): Promise<Running>;
  /** On SIGHUP. */
  reread(supervisor: Supervisor, logger: Logger): Promise<void>;
}

interface Running {
  /** Rejects where the supervisor is to end at once. */
  started?: Promise<void>;
  /** Done before the supervisor is closed. */
  end(): Promise<void>;
}

/** A second signal stops within two seconds, of which the supervisor gets this much. */
const STOP_NOW_MS = 1_500;
const PARENT_GONE = 'the program that started this is gone';
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
    stopNow: (signal) => stopNow(target, logger, signal),
    hangup: async () => reread(await target, logger),
  });
  let forgetParent = (): void => {};
  const parentGone = new Promise<string>((resolve) => (forgetParent = watchParent(() => resolve(PARENT_GONE))));
  try {
    supervisor = await target;
    const { started, end } = await run(supervisor, logger, socket);
    const ended = Promise.race([signals.stop, parentGone]);
    const reason = await Promise.race([ended, Promise.resolve(started).then(() => ended)]); // Keeps 3.
    logger.info(`${reason}: finishing the running calls, then stopping; ${reason === PARENT_GONE ? 'a signal' : 'once more'} stops at once`);
    await end();
    const report = await supervisor.close();
    logger.info('stopped', report);
  } catch (error) {
    await supervisor?.close({ drainTimeoutMs: 0 });
    throw error;
  } finally {
    await control.close(); // Keeps 2.
    signals.forget();
    forgetParent();
    setTimeout(() => void endProcess('SIGTERM', Number(process.exitCode ?? Exit.done)), LINGER_MS).unref();
  }
  return Exit.done;
}

/** A machine so busy that the supervisor cannot end its children in time must not keep them: their groups are killed without looking further. */
async function stopNow(target: Promise<Supervisor>, logger: Logger, signal: NodeJS.Signals): Promise<void> {
  logger.warn(`${signal} again: stopping at once`);
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), STOP_NOW_MS));
  const supervisor = await Promise.race([target, late]);
  if (supervisor === null) return;
  await Promise.race([supervisor.close({ drainTimeoutMs: 0 }), late]);
  // The first of these may begin to look for what is below a child, the next one kills its group at once.
  for (let times = 0; times < 2; times++) void supervisor.close({ drainTimeoutMs: 0 });
}
