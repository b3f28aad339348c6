/**
 * The signals of a supervisor in the foreground. The first SIGTERM or SIGINT asks it to stop, the second one makes it; SIGHUP re-reads.
 */
import { endProcess } from './end-process.ts';
import { performance } from '../util/timers.ts';

/** npm and others pass on a Ctrl-C that the terminal has sent to the whole group already: that is one wish, not two. */
const ECHO_MS = 250;

export interface SignalHandlers {
  /** The process exits once this has settled. */
  stopNow(signal: NodeJS.Signals): Promise<void>;
  /** Runs one at a time; ignored once a stop was asked for. */
  hangup(): Promise<void>;
}

export interface Signals {
  /** The first signal to stop. */
  readonly stop: Promise<NodeJS.Signals>;
  forget(): void;
}

export function watchSignals(handlers: SignalHandlers): Signals {
  let seen = 0;
  let askedAt = 0;
  let hangups = Promise.resolve();
  let ask: (signal: NodeJS.Signals) => void = () => {};
  const stop = new Promise<NodeJS.Signals>((resolve) => (ask = resolve));

  const onStop = (signal: NodeJS.Signals): void => {
    if (seen === 1 && performance.now() - askedAt < ECHO_MS) return;
    seen++;
    if (seen === 1) {
      askedAt = performance.now();
      return ask(signal);
    }
    const exit = (): void => void endProcess(signal);
    // A third one does not wait either.
    if (seen > 2) return exit();
    void handlers.stopNow(signal).then(exit, exit);
  };
  const onHangup = (): void => {
    if (seen > 0) return;
    // A configuration that does not load is the handler's to report; what it throws here is about a supervisor that never came.
    hangups = hangups.then(handlers.hangup).catch(() => {});
  };

  process.on('SIGTERM', onStop).on('SIGINT', onStop).on('SIGHUP', onHangup);
  return {
    stop,
    forget: () => void process.off('SIGTERM', onStop).off('SIGINT', onStop).off('SIGHUP', onHangup),
  };
}
