/**
 * The plain vocabulary of the public API: what a host gives and gets. What a supervisor tells of itself stands in status-types.ts.
 * All durations end in `Ms` (milliseconds), all sizes in `Bytes`.
 */
import type { RolloutOptions } from './rollout-types.ts';
import type { LogLevel } from './status-types.ts';

export type * from './rollout-types.ts';
export type * from './status-types.ts';

/** Anything with these four methods is a logger: winston, pino, bunyan, console. */
/**
 * Where records go: the message, which is text and never a format, then its fields. Also pino, bunyan and winston, which are given
 * what they expect.
 */
export interface Logger {
  debug(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
}

/** `all`, `none`, or the names of plugins. */
export type WaitFor = 'all' | 'none' | readonly string[];

export interface SupervisorOptions {
  /** Folder of the plugins to start: `<name>/<version>/` or `<name>/`. Without it, plugins come by `load()` only. */
  pluginDir?: string;
  /** Follow the plugin folder: a new version is rolled out, a changed one reloaded, one that is gone unloaded. Default false. */
  watch?: boolean;
  /**
   * Folder in which it remembers which versions are active, held, pinned and failed, for its next start. One supervisor at a time.
   * Default null: nothing is written; the command `start` takes `.chameleon` in the plugin folder.
   */
  stateDir?: string | null;
  /** Make a plugin that is refused, or is waited for and cannot start, an error of `createSupervisor`. Default false. */
  strict?: boolean;
  /**
   * Refuse plugins that a user other than this one and root could change (`ERR_UNSAFE_FOLDER`), by the owners and modes of their folders and
   * of every folder above. False: one warning for each such folder in the log. Default: true for root, false for other users.
   */
  strictModes?: boolean;
  /**
   * Which first starts `createSupervisor` waits for: of all plugins, of those with these names, or none. A plugin that is not waited for starts
   * beside it, and calls to it wait within their deadlines; `whenStarted()` waits for it later. Default `all`.
   */
  waitFor?: WaitFor;
  /** Where the supervisor and the plugins log. Default: nowhere. */
  logger?: Logger;
  /** The least severe level that reaches `logger`. Default `info`. */
  logLevel?: LogLevel;
  /** Measure calls. Default true. */
  metrics?: boolean;
  /** Bytes of arguments that may wait for a slot, in all plugins together. Default 256 MiB. */
  maxTotalQueueBytes?: number;
  /**
   * Bytes of the large answers and log records that all children together are sending, until they are parsed. A child holds no more
   * than it leaves, unless no other holds any. An answer without room fails its call with `PayloadTooLargeError`. Default 256 MiB.
   */
  maxTotalAnswerBytes?: number;
  /**
   * Node processes that wait, warm, for the next start, restart or replacement of a plugin: so many for each set of launch options
   * (`nodePath`, `execArgv`, environment) among the loaded plugins. 0 to 16, default 0. Plugins with a command of their own have none.
   */
  spares?: number;
  /** The Node binary that runs the plugins. Default `process.execPath`. */
  nodePath?: string;
  /** Options of every plugin. */
  defaults?: PluginOptions;
  /** Options by plugin name, merged over `defaults` field by field; kept for plugins that are not there yet. */
  plugins?: Record<string, PluginOptions>;
}

export interface PluginOptions {
  /** Default true; false leaves the plugin on disk unstarted. */
  enabled?: boolean;
  /** Range of the versions that may be active. Default `*`: any stable version. */
  version?: string;
  /** Ranges of versions to keep running beside the active one, for calls to `name@range`. Default none. */
  pin?: string[];
  /** Start an installed version that does not run when a call asks for it. Default false. */
  onDemand?: boolean;
  /**
   * Start what the plugin folder holds of it for the first call, and not with the supervisor: until then it is `idle` and has no methods.
   * A version that is loaded or reloaded is started all the same. Default false.
   */
  lazy?: boolean;
  /** Passed to the plugin's `init` as `initArgs`. Must survive JSON. */
  initArgs?: unknown[];
  /** Passed to the plugin's `init` as `options`. Must survive JSON. */
  options?: Record<string, unknown>;
  /** Children of one version that share its calls, 1 to 1000. Queue, circuit and `concurrency` are those of the version. Default 1. */
  instances?: number;
  /**
   * Which of several instances gets a call: the one with the least outstanding calls, or with `key` always the same one for calls of the
   * same `key`, as long as it lives. Default `least-outstanding`.
   */
  routing?: 'least-outstanding' | 'key';
  /** Calls of one version that run at once. Default 100. */
  concurrency?: number;
  /** Calls that may wait for a slot. Default 1000. */
  maxQueue?: number;
  /**
   * Share the slots fairly between callers, by the `key` of their calls: keys with waiting calls take turns, and no key may fill more of the
   * queue than it leaves to others. Calls without a key are one caller's. Default null: first in, first out.
   */
  fairBy?: 'key' | null;
  /** Bytes of arguments that may wait for a slot. Default 32 MiB. */
  maxQueueBytes?: number;
  /** Deadline of a call that names none, queue and retries included. Default 30 000. */
  callTimeoutMs?: number;
  /** From spawning to a healthy answer to the handshake. Default 10 000. */
  startTimeoutMs?: number;
  /** How long a version that is being replaced or stopped may finish its calls. Default 30 000. */
  drainTimeoutMs?: number;
  /** From asking for `free()` to SIGKILL, with SIGTERM in between. Default 5 000. */
  stopTimeoutMs?: number;
  /** How long a call may go on after its cancellation before it counts as ignored. Default 2 000. */
  cancelGraceMs?: number;
  /**
   * Share of the `concurrency` slots, 0 to 1, that calls may hold which ignore their cancellation. From there on a fresh child takes new
   * calls, and the old one finishes those that somebody waits for. 0: the first such call. Default 0.5.
   */
  ignoredCancelRatio?: number;
  /** Size of the largest message, either way. Default 16 MiB. */
  maxMessageBytes?: number;
  /**
   * Values in the largest message of the plugin: arrays, objects and their members, at any depth. An answer with more is refused, so a
   * small text cannot fill the memory of the supervisor. At least 65 536. Default 1 000 000.
   */
  maxMessageValues?: number;
  /** Resident memory of the child: replaced at 80 % of it, killed at 100 %. Default null: no limit. */
  memoryLimitBytes?: number | null;
  /** Age at which a child is replaced by a fresh one, blue-green. Default null: never. */
  maxAgeMs?: number | null;
  /** Calls after which a child is replaced by a fresh one, blue-green. Default null: never. */
  maxCalls?: number | null;
  /** Time without a call after which the children are stopped; the next call starts them again. Default null: never. */
  idleTimeoutMs?: number | null;
  /** Deaths that the same call (method and arguments) must have been in flight at, without a success between, to be refused. Default 3; 0 is never. */
  poisonAfter?: number;
  /** How long such a call is refused. Default 60 000. */
  poisonMs?: number;
  /** Log records per second that are kept, with a burst of twice as many; the rest is counted. Default 10 000. */
  maxLogsPerSecond?: number;
  /** Bytes of log records per second that are kept, with a burst of twice as many; the rest is counted. Default 2 MiB. */
  maxLogBytesPerSecond?: number;
  /** Variables for the child's environment, over the allow-list and `passEnv`. */
  env?: Record<string, string>;
  /** Names of the supervisor's own environment variables that the child may see. */
  passEnv?: string[];
  /** Arguments for Node, such as `--max-old-space-size=256`. */
  execArgv?: string[];
  /**
   * For a plugin at a debugger's breakpoint: each child has an inspector on 127.0.0.1, at a free port that `status()` tells, and no
   * deadline, grace, liveness check or limit of memory, age, calls or idle time ends or replaces it. Not for production. Default false.
   */
  debug?: boolean;
  /** The Node binary of this plugin. Default: the supervisor's `nodePath`. */
  nodePath?: string;
  breaker?: BreakerOptions;
  retry?: RetryOptions;
  restart?: RestartOptions;
  liveness?: LivenessOptions;
  /** How a version is replaced by another one. */
  rollout?: RolloutOptions;
}

export interface BreakerOptions {
  /** Default true. */
  enabled?: boolean;
  /** Failures within `resetIntervalMs` that open the circuit. Default 5. Not used when `failureRatio` is set. */
  maxFailures?: number;
  /** The sliding window in which failures are counted. Default 60 000. */
  resetIntervalMs?: number;
  /** How long an open circuit refuses calls before it probes. Default 5 000. */
  openMs?: number;
  /** Probes of a half-open circuit: all must succeed to close it. Default 3. */
  halfOpenCalls?: number;
  /** Opens at this share of failed calls in the window, once `minimumCalls` were made. 0 to 1. Default unset. */
  failureRatio?: number;
  /** Calls in the window before `failureRatio` decides. Default 20. */
  minimumCalls?: number;
  /** A call that runs longer counts as a failure. Default unset. */
  slowCallMs?: number;
}

export interface RetryOptions {
  /** Attempts in all, the first included: 1 is no retry. Only idempotent methods are retried. Default 1. */
  attempts?: number;
  /** Mean delay before the second attempt; doubles, with full jitter. Default 50. */
  backoffMs?: number;
  /** Default 2 000. */
  maxBackoffMs?: number;
  /** Retries per call that a plugin may cost at most, over time. Default 0.1. */
  budgetRatio?: number;
}

export interface RestartOptions {
  /** Restarts within `periodMs`, or failed starts in a row, before the plugin is `failed`. Default 5. */
  maxRestarts?: number;
  /** Default 60 000. */
  periodMs?: number;
  /** Delay after a life of less than a second; doubles, with jitter. Default 100. */
  backoffMs?: number;
  /** Default 10 000. */
  maxBackoffMs?: number;
  /**
   * What follows once the restarts are used up and calls fail at once. `retry`: a start is tried again, at first after `maxBackoffMs`, then
   * after pauses that grow to a minute. `stop`: nothing is started until a reload. A fault that cannot pass, such as exit code 125 or
   * `ERR_INTEGRITY`, always stops. Default `retry`.
   */
  whenSpent?: 'retry' | 'stop';
}

export interface LivenessOptions {
  /** Time between pings. Default 1 000. */
  intervalMs?: number;
  /**
   * Silence after a ping that makes the child unresponsive. Where the child waits for a processor for more than half of it, the wait does
   * not count, up to ten times this. Default 3 000.
   */
  timeoutMs?: number;
}

export interface CallOptions {
  /** Deadline in milliseconds from now. Default: the method's own, else `callTimeoutMs`. */
  timeoutMs?: number;
  /** Cancels the call: it rejects with `ERR_CALL_CANCELLED`, and the plugin's `this.signal` aborts. */
  signal?: AbortSignal;
  /** Whom the call is for. Calls of one key take the same way wherever versions share the traffic, and with `routing: 'key'` instances. */
  key?: string;
  /** W3C trace context, handed to the plugin as `this.traceparent`. */
  traceparent?: string;
}

/** `Client<HelloMethods>`: every method of the plugin, answering with a promise. Never thenable. */
export type Client<M> = {
  readonly [K in keyof M as M[K] extends (...args: never[]) => unknown ? (K extends 'then' ? never : K) : never]: M[K] extends (
    ...args: infer A
  ) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never;
};

export interface LoadOptions {
  /** Options of this plugin from now on, in place of those given to `createSupervisor`. */
  options?: PluginOptions;
  /** How this rollout goes about it, over the plugin's own `rollout`. */
  rollout?: RolloutOptions;
  /** Go on although the new version lacks methods, or declares narrower ones. Default false. */
  force?: boolean;
  /** End the rollout of this plugin that is under way, and those that wait, instead of waiting for them. Default false. */
  supersede?: boolean;
}

/** What is declared about a method: by `method()` in the code, or under `chameleon.methods` in package.json. */
export interface MethodInfo {
  /** May be run again after a crash or a failure. Default false. */
  idempotent?: boolean;
  /** Changes nothing: it may be run as a copy too, and is idempotent. Default false. */
  readonly?: boolean;
  /** JSON Schema of the array of arguments; a rollout is refused that narrows it. */
  params?: object;
  /** JSON Schema of the result; a rollout is refused that widens it. */
  result?: object;
  /** Default deadline of this method's calls. */
  timeoutMs?: number;
  /** Whether an error that this method throws counts against the circuit breaker. Default true. */
  errorsAreFailures?: boolean;
}
