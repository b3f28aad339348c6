/**
 * Options → resolved options: the defaults, and how the layers are laid over each other. What is allowed stands in options-schema.ts.
 * From here on every field is there, so that nothing further in asks whether one was given.
 */
import { resolve } from 'node:path';
import { validateLoadOptions, validateOptions } from './options-schema.ts';
import type {
  BreakerOptions,
  CanaryOptions,
  CanaryStep,
  LivenessOptions,
  Logger,
  LogLevel,
  PluginOptions,
  RestartOptions,
  RetryOptions,
  RolloutOptions,
  ShadowOptions,
  SupervisorOptions,
  WaitFor,
} from './types.ts';

export { validateLoadOptions, validateOptions };

/** Null stands for "not set", where a breaker has no default. */
export type ResolvedBreakerOptions = Required<Omit<BreakerOptions, 'failureRatio' | 'slowCallMs'>> & {
  failureRatio: number | null;
  slowCallMs: number | null;
};
export type ResolvedRetryOptions = Required<RetryOptions>;
export type ResolvedRestartOptions = Required<RestartOptions>;

/** What the new version is held against, as long as there is an old one to go back to. */
export interface Thresholds {
  maxFailureRatio: number | null;
  maxP95Ratio: number | null;
  minCalls: number;
}

export interface ResolvedRolloutOptions {
  strategy: 'overlap' | 'exclusive';
  holdMs: number;
  /** None: no canary. */
  steps: readonly CanaryStep[];
  thresholds: Thresholds;
  shadow: Required<ShadowOptions> | null;
}

export type ResolvedPluginOptions = Required<Omit<PluginOptions, 'breaker' | 'retry' | 'restart' | 'liveness' | 'rollout'>> & {
  rollout: RolloutOptions;
  breaker: ResolvedBreakerOptions;
  retry: ResolvedRetryOptions;
  restart: ResolvedRestartOptions;
  liveness: Required<LivenessOptions>;
};

export interface ResolvedOptions {
  pluginDir: string | null;
  watch: boolean;
  stateDir: string | null;
  strict: boolean;
  strictModes: boolean;
  waitFor: WaitFor;
  logger: Logger | null;
  logLevel: LogLevel;
  metrics: boolean;
  maxTotalQueueBytes: number;
  maxTotalAnswerBytes: number;
  spares: number;
  nodePath: string;
  defaults: PluginOptions;
  plugins: Map<string, PluginOptions>;
}

/** The longest that a timer can be set for: 24 days. */
export const NEVER_MS = 2 ** 31 - 1;
const MiB = 2 ** 20;
/** How long a step of a canary lasts that does not say so. */
const STEP_MS = 30_000;

const pluginDefaults = {
  enabled: true,
  version: '*',
  pin: [] as string[],
  onDemand: false as boolean,
  lazy: false as boolean,
  initArgs: [] as unknown[],
  options: {} as Record<string, unknown>,
  instances: 1,
  routing: 'least-outstanding' as 'least-outstanding' | 'key',
  concurrency: 100,
  maxQueue: 1_000,
  fairBy: null as 'key' | null,
  maxQueueBytes: 32 * MiB,
  callTimeoutMs: 30_000,
  startTimeoutMs: 10_000,
  drainTimeoutMs: 30_000,
  stopTimeoutMs: 5_000,
  cancelGraceMs: 2_000,
  ignoredCancelRatio: 0.5,
  maxMessageBytes: 16 * MiB,
  maxMessageValues: 1_000_000,
  memoryLimitBytes: null as number | null,
  maxAgeMs: null as number | null,
  maxCalls: null as number | null,
  idleTimeoutMs: null as number | null,
  poisonAfter: 3,
  poisonMs: 60_000,
  maxLogsPerSecond: 10_000,
  maxLogBytesPerSecond: 2 * 1024 * 1024,
  env: {} as Record<string, string>,
  passEnv: [] as string[],
  execArgv: [] as string[],
  debug: false as boolean,
  breaker: { enabled: true, maxFailures: 5, resetIntervalMs: 60_000, openMs: 5_000, halfOpenCalls: 3, minimumCalls: 20 },
  retry: { attempts: 1, backoffMs: 50, maxBackoffMs: 2_000, budgetRatio: 0.1 },
  restart: { maxRestarts: 5, periodMs: 60_000, backoffMs: 100, maxBackoffMs: 10_000, whenSpent: 'retry' as 'retry' | 'stop' },
  liveness: { intervalMs: 1_000, timeoutMs: 3_000 },
  rollout: {
    strategy: 'overlap' as 'overlap' | 'exclusive',
    holdMs: 30_000,
    canary: { maxFailureRatio: 0.05, maxP95Ratio: 3, minCalls: 20 },
  },
} satisfies PluginOptions;

/** Every default there is. Frozen, and itself valid as options. */
export const defaultOptions = deepFrozen({
  watch: false as boolean,
  stateDir: null as string | null,
  strict: false as boolean,
  strictModes: process.geteuid?.() === 0,
  waitFor: 'all' as WaitFor,
  logLevel: 'info' as LogLevel,
  metrics: true as boolean,
  maxTotalQueueBytes: 256 * MiB,
  maxTotalAnswerBytes: 256 * MiB,
  spares: 0,
  nodePath: process.execPath,
  defaults: pluginDefaults,
  plugins: {} as Record<string, PluginOptions>,
} satisfies SupervisorOptions);

/** Throws `ConfigInvalidError` as `validateOptions` does. */
export function resolveOptions(input: SupervisorOptions): ResolvedOptions {
  const { pluginDir, logger, defaults, plugins, ...given } = validateOptions(input);
  const { watch, stateDir, strict, strictModes, waitFor, logLevel, metrics, maxTotalQueueBytes, maxTotalAnswerBytes, spares, nodePath } = over(
    defaultOptions,
    given,
  );
  return {
    // Once: the process may change its working directory later.
    pluginDir: pluginDir === undefined ? null : resolve(pluginDir),
    watch,
    stateDir: stateDir === null ? null : resolve(stateDir),
    strict,
    strictModes,
    waitFor,
    logger: logger ?? null,
    logLevel,
    metrics,
    maxTotalQueueBytes,
    maxTotalAnswerBytes,
    spares,
    nodePath,
    defaults: defaults ?? {},
    plugins: new Map(Object.entries(plugins ?? {})),
  };
}

/** Built-in defaults, under `defaults`, under the plugin's own: field by field, in groups too. `env` and `options` merge by key, arrays are replaced. */
export function resolvePluginOptions(options: ResolvedOptions, name: string): ResolvedPluginOptions {
  const { breaker, ...rest } = pluginDefaults;
  const base = { ...rest, nodePath: options.nodePath, breaker: { ...breaker, failureRatio: null, slowCallMs: null } };
  const resolved = merged(merged(base, options.defaults), options.plugins.get(name) ?? {});
  return resolved.debug ? patient(resolved) : resolved;
}

/** Without what ends, replaces or blames a child that stands still. An operator who stops it waits no longer than ever. */
function patient(options: ResolvedPluginOptions): ResolvedPluginOptions {
  return {
    ...options,
    callTimeoutMs: NEVER_MS,
    startTimeoutMs: NEVER_MS,
    cancelGraceMs: NEVER_MS,
    memoryLimitBytes: null,
    maxAgeMs: null,
    maxCalls: null,
    idleTimeoutMs: null,
    liveness: { ...options.liveness, timeoutMs: NEVER_MS },
    breaker: { ...options.breaker, slowCallMs: null },
  };
}

/** How long children that are being replaced may finish their calls, in milliseconds. */
export function leaveTimeoutMs({ debug, drainTimeoutMs }: ResolvedPluginOptions): number {
  return debug ? NEVER_MS : drainTimeoutMs;
}

function merged(base: ResolvedPluginOptions, top: PluginOptions): ResolvedPluginOptions {
  const { options, env, breaker, retry, restart, liveness, rollout, ...fields } = top;
  return {
    ...over(base, fields),
    options: over(base.options, options),
    env: over(base.env, env),
    breaker: over(base.breaker, breaker),
    retry: over(base.retry, retry),
    restart: over(base.restart, restart),
    liveness: over(base.liveness, liveness),
    rollout: mergedRollout(base.rollout, rollout),
  };
}

function mergedRollout(base: RolloutOptions, top: RolloutOptions = {}): RolloutOptions {
  const { percent, steps, ...thresholds } = base.canary ?? {};
  // A share and steps are two ways to say one thing: the upper layer says it.
  const isSaid = top.canary?.percent !== undefined || top.canary?.steps !== undefined;
  const below = isSaid || percent === undefined ? thresholds : { ...thresholds, percent };
  const canary = isSaid || steps === undefined ? below : { ...below, steps };
  return { ...over(base, top), canary: over<CanaryOptions>(canary, top.canary) };
}

/** A plugin's `rollout` with what was asked for this time over it, and every field there. */
export function resolveRollout(options: ResolvedPluginOptions, given?: RolloutOptions): ResolvedRolloutOptions {
  const defaults = pluginDefaults.rollout;
  const { strategy = defaults.strategy, holdMs = defaults.holdMs, canary = {}, shadow } = mergedRollout(options.rollout, given);
  const { percent, forMs = STEP_MS, steps, ...thresholds } = canary;
  return {
    strategy,
    holdMs,
    steps: steps ?? (percent === undefined ? [] : [{ percent, forMs }]),
    // Time at a breakpoint says nothing of a version.
    thresholds: { ...over<Thresholds>(defaults.canary, thresholds), ...(options.debug && { maxP95Ratio: null }) },
    shadow: shadow === undefined ? null : { compare: true, forMs: STEP_MS, ...shadow },
  };
}

/** `top` over `base`; a field that is there but undefined was not given. */
function over<T extends object>(base: T, top: { [K in keyof T]?: T[K] | undefined } | undefined): T {
  return { ...base, ...Object.fromEntries(Object.entries(top ?? {}).filter(([, value]) => value !== undefined)) };
}

function deepFrozen<T extends object>(value: T): Readonly<T> {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) deepFrozen(inner);
  return Object.freeze(value);
}
