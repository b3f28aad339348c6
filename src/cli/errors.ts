/**
 * The command line's own errors, and the exit code of every error. Owns no text of the supervisor's errors: those arrive with their message.
 */

/** An error as it crosses the control socket and as `--json` prints it: a code, a message, and facts. */
export interface ErrorFacts {
  code: string;
  message: string;
  [fact: string]: unknown;
}

/** The exit codes of design and documentation; 130 and 143 are the shell's for SIGINT and SIGTERM. */
export const Exit = { done: 0, failed: 1, usage: 2, notRunning: 3, notFound: 4, timedOut: 5, unavailable: 6 } as const;

const EXIT_BY_CODE: Readonly<Record<string, number>> = {
  ERR_USAGE: Exit.usage,
  ERR_CONFIG_INVALID: Exit.usage,
  ERR_CONTROL_FOREIGN: Exit.usage,
  ERR_SUPERVISOR_RUNNING: Exit.usage,
  ERR_STATE_IN_USE: Exit.usage,
  ERR_NO_SUPERVISOR: Exit.notRunning,
  ERR_PLUGIN_NOT_FOUND: Exit.notFound,
  ERR_VERSION_NOT_FOUND: Exit.notFound,
  ERR_METHOD_NOT_FOUND: Exit.notFound,
  ERR_CALL_TIMEOUT: Exit.timedOut,
  ERR_START_TIMEOUT: Exit.timedOut,
  ERR_CONTROL_TIMEOUT: Exit.timedOut,
  ERR_CIRCUIT_OPEN: Exit.unavailable,
  ERR_QUEUE_FULL: Exit.unavailable,
  ERR_PLUGIN_UNAVAILABLE: Exit.unavailable,
  ERR_SUPERVISOR_CLOSED: Exit.unavailable,
  ERR_CONTROL_BUSY: Exit.unavailable,
};

/** 1 for every code that has no exit code of its own. */
export function exitCodeOf(code: string): number {
  return Object.hasOwn(EXIT_BY_CODE, code) ? EXIT_BY_CODE[code]! : Exit.failed;
}

/** An error that the command line itself finds, or that the supervisor sent. */
export class CliError extends Error {
  readonly facts: ErrorFacts;
  constructor(facts: ErrorFacts) {
    super(facts.message);
    this.name = 'CliError';
    this.facts = facts;
  }
}

/** How the command was written is wrong. `hint` says how to write it. */
export function usageError(message: string, hint?: string): CliError {
  return new CliError({ code: 'ERR_USAGE', message, ...(hint === undefined ? {} : { hint }) });
}

const OUT_OF_DESCRIPTORS =
  'no file descriptors are left: a supervisor needs 256, and 4 more for each child; raise the limit, such as with `ulimit -n 4096` or `LimitNOFILE=`';

/** Every error as facts. What is no error of ours keeps its message, and its stack under `CHAMELEON_DEBUG`. */
export function factsOf(error: unknown): ErrorFacts {
  if (error instanceof CliError) return error.facts;
  // By shape, not by class: the commands that only talk to a supervisor do not load the library.
  if (isTyped(error)) return error.toJSON({ stacks: true });
  if (isOutOfDescriptors(error)) return { code: 'ERR_OUT_OF_DESCRIPTORS', message: OUT_OF_DESCRIPTORS };
  if (!(error instanceof Error)) return { code: 'ERR_INTERNAL', message: String(error) };
  return { code: 'ERR_INTERNAL', message: error.message, ...(process.env.CHAMELEON_DEBUG ? { stack: error.stack } : {}) };
}

function isOutOfDescriptors(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EMFILE' || error.code === 'ENFILE');
}

function isTyped(error: unknown): error is { toJSON(options: { stacks: boolean }): ErrorFacts } {
  if (typeof error !== 'object' || error === null || !('code' in error) || !('toJSON' in error)) return false;
  return typeof error.toJSON === 'function' && typeof error.code === 'string' && error.code.startsWith('ERR_');
}
