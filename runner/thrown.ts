/**
 * Whatever plugin code threw, as data for the wire: a string, null, a cycle, a proxy whose traps throw, a message of megabytes.
 * Never throws, and what it returns is bounded and JSON.
 */
import type { ThrownData } from '../src/protocol/messages.ts';
import { toJson } from '../src/protocol/json.ts';

const MAX_MESSAGE_BYTES = 8 * 1024;
const MAX_STACK_BYTES = 16 * 1024;
const MAX_DATA_BYTES = 64 * 1024;
const MAX_CAUSES = 5;

type Thrown = ThrownData & { message: string };

export function describeThrown(error: unknown, causes = MAX_CAUSES): Thrown {
  if (!isObject(error)) return { name: 'Error', message: truncate(text(error) ?? typeof error, MAX_MESSAGE_BYTES) };
  const message = text(read(error, 'message'));
  const stack = read(error, 'stack');
  const code = read(error, 'code');
  // An object that is no error is its own data: `throw { reason: 'sold out' }`.
  const data = boundedData(read(error, 'data') ?? (typeof stack === 'string' ? undefined : error));
  const cause = read(error, 'cause');
  const thrown: Thrown = {
    name: truncate(text(read(error, 'name')) ?? 'Error', 256),
    message: truncate(message ?? 'threw an object', MAX_MESSAGE_BYTES),
  };
  if (typeof stack === 'string') thrown.stack = truncate(stack, MAX_STACK_BYTES);
  if (typeof code === 'string' || typeof code === 'number') thrown.code = typeof code === 'string' ? truncate(code, 256) : code;
  if (data !== undefined) thrown.data = data;
  if (cause !== undefined && causes > 0) thrown.cause = describeThrown(cause, causes - 1);
  if (read(error, 'isFailure') === false) thrown.isFailure = false;
  return thrown;
}

/** The stack of an error, or what else can be said of a thrown value. */
export function stackOf(error: unknown): string {
  const { stack, name, message } = describeThrown(error);
  return stack ?? `${name}: ${message}`;
}

/** A property, or undefined where reading it throws. */
export function read(value: object, key: string): unknown {
  try {
    return (value as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** Cuts at a character's border, and says so. */
export function truncate(value: string, bytes: number): string {
  if (value.length * 3 <= bytes) return value;
  const head = Buffer.from(value.slice(0, bytes));
  if (value.length <= bytes && head.length <= bytes) return value;
  return `${head.toString('utf8', 0, bytes - 16).replace(/\uFFFD$/, '')}… (truncated)`;
}

/** Whatever was thrown, its own words are the best there are. */
const toText: (value: never) => string = String;

function text(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  try {
    return typeof value === 'string' ? value : toText(value as never);
  } catch {
    return undefined;
  }
}

function boundedData(value: unknown): unknown {
  if (value === undefined) return undefined;
  try {
    const json = toJson(value, 'data');
    const bytes = Buffer.byteLength(json);
    return bytes <= MAX_DATA_BYTES ? (JSON.parse(json) as unknown) : `(dropped: ${bytes} bytes of JSON, the limit is ${MAX_DATA_BYTES})`;
  } catch (error) {
    return `(dropped: ${truncate((error as Error).message, 256)})`;
  }
}
