/**
 * The options of single operations: calls, unloads, closing, and whatever installs, removes and verifies versions. They are as strict as
 * all others. A call whose options are in order pays for a look at each key, and no more.
 */
import * as z from 'zod';
import { callTimeout, drainTimeout, got, group, list, valid, type Shape } from './options-schema.ts';
import type { CallOptions } from './types.ts';

const MAX_MS = 2 ** 31 - 1;

const text = z.string(got('a string')).optional();
const signal = z.custom<AbortSignal>(isSignal, 'expected an AbortSignal').optional();
const call = { timeoutMs: callTimeout, signal, key: text, traceparent: text } satisfies Shape<CallOptions>;

const callSchema = z.strictObject(call, group);
const unloadSchema = z.strictObject({ version: text }, group);
const closeSchema = z.strictObject({ drainTimeoutMs: drainTimeout }, group);
const texts = z.array(z.string(got('a string')), list).optional();
const aFunction = z.custom<object>((value) => typeof value === 'function', 'expected a function').optional();
const folder = z.custom<string>((value) => typeof value === 'string' && value !== '', 'is not set: expected the folder of the plugins');
const keep = z.custom<number>((value) => Number.isSafeInteger(value) && (value as number) >= 1, 'expected a whole number from 1');

const installSchema = z.strictObject({ allowScripts: texts, signal, onProgress: aFunction }, group);
const uninstall = { pluginDir: folder, inUse: texts };
const uninstallSchema = z.strictObject(uninstall, group);
const pruneSchema = z.strictObject({ ...uninstall, keep, name: text, ranges: aFunction }, group);
const verifySchema = z.strictObject({ pluginDir: folder, name: text, version: text }, group);

/** Throws `ConfigInvalidError` with every mistake in the options of a call. */
export function checkCallOptions(options: CallOptions): void {
  if (!isInOrder(options)) valid(callSchema, options, 'call options');
}

/** Throws `ConfigInvalidError`. */
export function checkUnloadOptions(options: object): void {
  valid(unloadSchema, options, 'unload options');
}

/** Throws `ConfigInvalidError`. */
export function checkCloseOptions(options: object): void {
  valid(closeSchema, options, 'close options');
}

/** Throws `ConfigInvalidError`. */
export function checkInstallOptions(options: object): void {
  valid(installSchema, options, 'install options');
}

/** Throws `ConfigInvalidError`. */
export function checkUninstallOptions(options: object): void {
  valid(uninstallSchema, options, 'uninstall options');
}

/** Throws `ConfigInvalidError`. */
export function checkPruneOptions(options: object): void {
  valid(pruneSchema, options, 'prune options');
}

/** Throws `ConfigInvalidError`. */
export function checkVerifyOptions(options: object): void {
  valid(verifySchema, options, 'verify options');
}

/** What the schema would say, without its price. False asks the schema. */
function isInOrder(options: CallOptions): boolean {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return false;
  for (const key in options) {
    if (key === 'timeoutMs') {
      const { timeoutMs } = options;
      if (timeoutMs !== undefined && !(Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= MAX_MS)) return false;
    } else if (key === 'signal') {
      if (options.signal !== undefined && !isSignal(options.signal)) return false;
    } else if (key === 'key' || key === 'traceparent') {
      if (options[key] !== undefined && typeof options[key] !== 'string') return false;
    } else return false;
  }
  return true;
}

function isSignal(value: unknown): value is AbortSignal {
  return typeof value === 'object' && value !== null && typeof (value as Partial<AbortSignal>).addEventListener === 'function';
}
