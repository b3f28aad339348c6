/**
 * `chameleon-supervisor/plugin`: types for plugin authors, and the two functions that carry them. Nobody has to use it:
 * a plugin is an object. Imports nothing at run time, so that a bundle of a plugin gains nothing but these lines.
 */

/** Records for the supervisor's log, with the plugin's name, version and pid on them. */
export interface PluginLog {
  debug(message: unknown, fields?: object): void;
  info(message: unknown, fields?: object): void;
  warn(message: unknown, fields?: object): void;
  error(message: unknown, fields?: object): void;
}

/** The `this` of a method. */
export interface Call {
  /** Unique among the calls of this process. */
  readonly id: number;
  /** Aborts when the caller gives up, the deadline passes, or the process is to end. */
  readonly signal: AbortSignal;
  /** When the deadline passes, in milliseconds as `Date.now()` counts them; `Infinity` without one. */
  readonly deadline: number;
  /** 1, and more when the supervisor tries an idempotent method again. */
  readonly attempt: number;
  readonly log: PluginLog;
  /** W3C trace context of the caller, when there is one. */
  readonly traceparent: string | undefined;
}

/** What `init` is given. */
export interface PluginContext<Options = Record<string, unknown>> {
  /** Name and version as package.json has them. */
  readonly name: string;
  readonly version: string;
  /** The plugin's folder. */
  readonly dir: string;
  /** `initArgs` and `options` of the supervisor's configuration. */
  readonly initArgs: readonly unknown[];
  readonly options: Options;
  /** What `onQuiesce` of the version before answered, with the rollout strategy `exclusive`; else undefined. */
  readonly state?: unknown;
  readonly log: PluginLog;
}

/** What the supervisor may assume of a method. */
export interface MethodInfo {
  /** May be run again after a crash or a failure. Default false. */
  idempotent?: boolean;
  /** Changes nothing: a copy of a call may be run, too, to try a new version; implies `idempotent`. Default false. */
  readonly?: boolean;
  /** Default deadline of this method's calls, in milliseconds. */
  timeoutMs?: number;
  /** Whether an error that this method throws counts against the circuit breaker. Default true. */
  errorsAreFailures?: boolean;
  /** JSON Schema of the array of arguments: a new version that narrows it is not rolled out. */
  params?: object;
  /** JSON Schema of the result: a new version that widens it is not rolled out. */
  result?: object;
}

// Parameters are checked where a method is called, by its own type; here any will do.
export type Method = (this: Call, ...args: never[]) => unknown;

export interface Plugin<M extends Record<string, Method> = Record<string, Method>, Options = Record<string, unknown>> {
  /** Runs before the first call. Throwing refuses to start. */
  init?(plugin: PluginContext<Options>): unknown;
  /** Runs before the process ends, after the last call. */
  free?(): unknown;
  /** Throws when the plugin is not fit to serve; asked once, after `init`. */
  health?(): unknown;
  /** With the rollout strategy `exclusive`: lets go of what only one may have, and answers with what the next version is to go on with. */
  onQuiesce?(): unknown;
  /** The next version did not make it: takes up again what `onQuiesce` let go of. Without it a fresh process does, by `init`. */
  onResume?(state: unknown): unknown;
  /**
   * Own functions only; arguments and results must survive JSON. An error may carry `code`, `data` and `cause`, which reach the caller;
   * `isFailure: false` keeps it from the circuit breaker, and the code `ERR_INVALID_ARGS` blames the caller's arguments.
   */
  methods: M;
}

const METHOD_INFO = Symbol.for('chameleon-supervisor.method');

/** Returns what it is given; adds types: `this` in methods is the `Call`, and `typeof plugin.methods` types a client. */
export function definePlugin<M extends Record<string, Method>, Options = Record<string, unknown>>(
  plugin: Plugin<M & ThisType<Call>, Options>,
): Plugin<M, Options> {
  return plugin;
}

/** Declares what the supervisor may assume of `fn`, and returns it. */
export function method<A extends unknown[], R>(info: MethodInfo, fn: (this: Call, ...args: A) => R): (this: Call, ...args: A) => R {
  return Object.defineProperty(fn, METHOD_INFO, { value: info, configurable: true });
}
