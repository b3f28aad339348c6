/**
 * The one schema of the options, for the library and for the configuration file. Held against the hand-written types at compile
 * time: a field that is missing here, is too many here, or has another type does not compile. Knows no defaults.
 */
import * as z from 'zod';
import { ConfigInvalidError } from './errors.ts';
import { check, holdsMoreThan } from './options-issues.ts';
import { INSTANCE_MARKER } from './protocol/messages.ts';
import type {
  BreakerOptions,
  CanaryOptions,
  CanaryStep,
  LivenessOptions,
  LoadOptions,
  Logger,
  LogLevel,
  PluginOptions,
  RestartOptions,
  RetryOptions,
  RolloutOptions,
  ShadowOptions,
  SupervisorOptions,
} from './types.ts';
import { isPluginName, isRange, NAME_RULE, RANGE_RULE, shown } from './util/naming.ts';

export type Shape<T> = { readonly [K in keyof T]-?: z.ZodType<T[K]> };

/** A timer set for longer fires at once. */
const MAX_MS = 2 ** 31 - 1;
/** V8 holds no longer string, and a message is one. */
const MAX_MESSAGE = 2 ** 29 - 24;
/** A message that is small enough for one go cannot hold more. */
const LEAST_VALUES = 2 ** 16;

export const got = (rule: string) => ({ error: (issue: { input?: unknown }) => `expected ${rule}, got ${shown(issue.input)}` });
const whole = (least: number, most: number, unit = '') => {
  const rule = got(`a whole number${unit} from ${least} to ${most}`);
  return z.int(rule).min(least, rule).max(most, rule).optional();
};
const duration = (least: 0 | 1 = 1) => whole(least, MAX_MS, ' of milliseconds');
const size = (most = Number.MAX_SAFE_INTEGER) => whole(1024, most, ' of bytes');
const count = (least: 0 | 1 = 1) => whole(least, MAX_MS);
export const string = (rule: string, ok: (value: string) => boolean) => z.string(got(rule)).refine(ok, got(rule));
export const flag = z.boolean(got('true or false')).optional();
export const group = got('a plain object');
export const list = got('an array');

export const range = string(RANGE_RULE, isRange);
export const callTimeout = duration();
export const drainTimeout = duration(0);
const path = string('a path', (value) => value !== '' && !value.includes('\0')).optional();
const noNul = string('a string without NUL', (value) => !value.includes('\0'));
const variable = string(
  'the name of an environment variable (no "=", no NUL, none of ours)',
  (name) => /^[^=\0]+$/.test(name) && name !== INSTANCE_MARKER,
);

const breaker = {
  enabled: flag,
  maxFailures: count(),
  resetIntervalMs: duration(),
  openMs: duration(),
  halfOpenCalls: count(),
  failureRatio: z.number(got('a share above 0, up to 1')).gt(0, got('a share above 0, up to 1')).max(1, got('a share above 0, up to 1')).optional(),
  minimumCalls: count(),
  slowCallMs: duration(),
} satisfies Shape<BreakerOptions>;

const retry = {
  attempts: count(),
  backoffMs: duration(0),
  maxBackoffMs: duration(0),
  budgetRatio: z.number(got('a number from 0 to 100')).min(0, got('a number from 0 to 100')).max(100, got('a number from 0 to 100')).optional(),
} satisfies Shape<RetryOptions>;

const restart = {
  maxRestarts: count(0),
  periodMs: duration(),
  backoffMs: duration(0),
  maxBackoffMs: duration(0),
  whenSpent: z.enum(['retry', 'stop'], got('"retry" or "stop"')).optional(),
} satisfies Shape<RestartOptions>;

const liveness = { intervalMs: duration(), timeoutMs: duration() } satisfies Shape<LivenessOptions>;

const number = (least: number, most: number, rule = `a number from ${least} to ${most}`) =>
  z.number(got(rule)).min(least, got(rule)).max(most, got(rule));
const percent = number(0, 100);

const step = { percent, forMs: whole(0, MAX_MS, ' of milliseconds').unwrap() } satisfies Shape<CanaryStep>;

const canary = {
  percent: percent.optional(),
  forMs: duration(0),
  steps: z.array(z.strictObject(step, group), list).optional(),
  maxFailureRatio: number(0, 1).nullable().optional(),
  maxP95Ratio: number(1, 1_000_000).nullable().optional(),
  minCalls: count(),
} satisfies Shape<CanaryOptions>;

const shadow = { percent, compare: flag, forMs: duration(0) } satisfies Shape<ShadowOptions>;

const rollout = {
  strategy: z.enum(['overlap', 'exclusive'], got('"overlap" or "exclusive"')).optional(),
  holdMs: duration(0),
  canary: z
    .strictObject(canary, group)
    .refine(({ percent: share, steps }) => share === undefined || steps === undefined, 'expected percent or steps, got both')
    .optional(),
  shadow: z.strictObject(shadow, group).optional(),
} satisfies Shape<RolloutOptions>;

const plugin = {
  enabled: flag,
  version: range.optional(),
  pin: z.array(range, list).optional(),
  onDemand: flag,
  lazy: flag,
  initArgs: z.array(z.unknown(), list).optional(),
  options: z.record(z.string(), z.unknown(), group).optional(),
  instances: whole(1, 1_000),
  routing: z.enum(['least-outstanding', 'key'], got('"least-outstanding" or "key"')).optional(),
  concurrency: count(),
  maxQueue: count(0),
  fairBy: z.enum(['key'], got('"key" or null')).nullable().optional(),
  maxQueueBytes: size(),
  callTimeoutMs: callTimeout,
  startTimeoutMs: duration(),
  drainTimeoutMs: duration(0),
  stopTimeoutMs: duration(0),
  cancelGraceMs: duration(0),
  ignoredCancelRatio: number(0, 1).optional(),
  maxMessageBytes: size(MAX_MESSAGE),
  maxMessageValues: whole(LEAST_VALUES, Number.MAX_SAFE_INTEGER, ' of values'),
  memoryLimitBytes: size().nullable(),
  maxAgeMs: duration().nullable(),
  maxCalls: count().nullable(),
  idleTimeoutMs: duration().nullable(),
  poisonAfter: count(0),
  poisonMs: duration(),
  maxLogsPerSecond: count(),
  maxLogBytesPerSecond: size(),
  env: z.record(variable, noNul, group).optional(),
  passEnv: z.array(variable, list).optional(),
  execArgv: z.array(noNul, list).optional(),
  debug: flag,
  nodePath: path,
  breaker: z.strictObject(breaker, group).optional(),
  retry: z.strictObject(retry, group).optional(),
  restart: z.strictObject(restart, group).optional(),
  liveness: z.strictObject(liveness, group).optional(),
  rollout: z.strictObject(rollout, group).optional(),
} satisfies Shape<PluginOptions>;

const pluginSchema = z.strictObject(plugin, group);

const load = { options: pluginSchema.optional(), rollout: plugin.rollout, force: flag, supersede: flag } satisfies Shape<LoadOptions>;
const loadSchema = z.strictObject(load, group);

const isLogger = (value: unknown): boolean =>
  ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
  ['debug', 'info', 'warn', 'error'].every((method) => typeof (value as Record<string, unknown>)[method] === 'function');

const supervisor = {
  pluginDir: path,
  watch: flag,
  stateDir: path.nullable(),
  strict: flag,
  strictModes: flag,
  waitFor: z.union([z.enum(['all', 'none']), z.array(string(NAME_RULE, isPluginName))], got('"all", "none" or an array of plugin names')).optional(),
  logger: z.custom<Logger>(isLogger, 'expected an object with the methods debug, info, warn and error').optional(),
  logLevel: z.enum(['error', 'warn', 'info', 'debug'] satisfies LogLevel[], got('"error", "warn", "info" or "debug"')).optional(),
  metrics: flag,
  maxTotalQueueBytes: size(),
  maxTotalAnswerBytes: size(),
  spares: whole(0, 16),
  nodePath: path,
  defaults: pluginSchema.optional(),
  plugins: z.record(string(NAME_RULE, isPluginName), pluginSchema, group).optional(),
} satisfies Shape<SupervisorOptions>;

const supervisorSchema = z.strictObject(supervisor, group);

/** What a configuration file may hold: all but the logger, which no file can carry. */
export const configSchema = supervisorSchema.omit({ logger: true });

/** At any depth, in all options together. To check more would hold up the event loop of the host that asks. */
const MAX_VALUES = 10_000;

/** Throws `ConfigInvalidError` with every mistake at once, or the first hundred. `source` says where the options came from. */
export function validateOptions(input: unknown, source = 'options'): SupervisorOptions {
  return valid(supervisorSchema, input, source);
}

/** The same for what `load`, `reload` and `rollback` are asked. */
export function validateLoadOptions(input: unknown): LoadOptions {
  return valid(loadSchema, input, 'load options');
}

/** Throws `ConfigInvalidError`. */
export function valid<T>(schema: z.ZodType<T>, input: unknown, source: string): T {
  if (holdsMoreThan(MAX_VALUES, input))
    throw new ConfigInvalidError([{ path: '', message: `holds more than ${MAX_VALUES} values: large data belongs in a file` }], source);
  const checked = check(schema, input);
  if (checked.kind === 'invalid') throw new ConfigInvalidError(checked.issues, source);
  return checked.value;
}
