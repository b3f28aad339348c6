/**
 * What every error of ours is: a code, a subject, and facts as fields. The errors themselves stand in errors.ts.
 */

import type { ExitFacts } from './types.ts';

const BRAND = Symbol.for('chameleon-supervisor.error');

/** Where an error belongs; every part may be unknown. */
export interface ErrorSubject {
  plugin?: string;
  version?: string;
  method?: string;
}

export interface Issue {
  /** Path of the offending value, such as `plugins.hello.concurrency`. */
  path: string;
  message: string;
}

/** An error that the plugin threw, as far as it could be carried over. */
export interface RemoteError {
  name: string;
  message: string;
  stack?: string;
  code?: string | number;
  data?: unknown;
  cause?: RemoteError;
}

/** How far a child came that did not become ready. */
export type StartPhase = 'spawn' | 'handshake' | 'import' | 'init' | 'health';

export abstract class ChameleonError extends Error {
  abstract readonly code: string;
  readonly plugin: string | undefined;
  readonly version: string | undefined;
  readonly method: string | undefined;
  /** Whether the same call may succeed later without anyone's doing. */
  readonly retryable: boolean = false;

  constructor(message: string, subject: ErrorSubject = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.plugin = subject.plugin;
    this.version = subject.version;
    this.method = subject.method;
  }

  get [BRAND](): true {
    return true;
  }

  override get name(): string {
    return this.constructor.name;
  }

  /**
   * Every fact, for logs and for callers. Stacks name paths of this machine: that of the plugin's error, and those in its output, are
   * left out unless `stacks` is true. `JSON.stringify` never asks for them.
   */
  toJSON(options?: { stacks?: boolean } | string): Record<string, unknown> {
    const { code, message, name, cause } = this;
    const stacks = typeof options === 'object' && options.stacks === true;
    const facts: Record<string, unknown> = { name, code, message };
    for (const key of [...Object.keys(this), ...TWICE]) facts[key] = factOf(key, (this as Record<string, unknown>)[key], stacks);
    if (cause instanceof ChameleonError) facts.cause = cause.toJSON(options);
    else if (cause instanceof Error) facts.cause = { message: cause.message, ...(stacks && { stack: cause.stack }) };
    return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
  }

  /** A fact that another one holds as well: who prints the error sees it once. */
  protected repeat(key: (typeof TWICE)[number], value: string): void {
    Object.defineProperty(this, key, { value, enumerable: false });
  }
}

const TWICE = ['stderrTail'] as const;

function factOf(key: string, value: unknown, stacks: boolean): unknown {
  if (key === 'remote') return remoteFacts(value as RemoteError, stacks);
  if (stacks) return value;
  if (key === 'stderrTail') return withoutFrames(value as string | undefined);
  if (key !== 'exit' || typeof value !== 'object' || value === null) return value;
  const exit = value as { stderrTail?: string };
  return { ...exit, stderrTail: withoutFrames(exit.stderrTail) };
}

function remoteFacts(remote: RemoteError, stacks: boolean): RemoteError {
  const { name, message, stack, code, data, cause } = remote;
  return {
    name,
    message,
    ...(stacks && stack !== undefined && { stack }),
    ...(code !== undefined && { code }),
    ...(data !== undefined && { data }),
    ...(cause !== undefined && { cause: remoteFacts(cause, stacks) }),
  };
}

/** A line of a stack, as V8 writes them. */
export const FRAME = /^\s+at .+$/;

/** Output without the frames of the stacks in it. */
export function withoutFrames(text: string | undefined): string | undefined {
  return text
    ?.split('\n')
    .filter((line) => !FRAME.test(line))
    .join('\n');
}

/** A plugin's error as an `Error`, for those who look at `cause`. */
export function errorOf({ name, message, stack, code, data, cause }: RemoteError): Error {
  const limit = Error.stackTraceLimit;
  const isFixed = Object.isFrozen(Error);
  // Its stack is the plugin's, and to take our own costs more than all the rest.
  if (!isFixed) Error.stackTraceLimit = 0;
  try {
    const error = new Error(message, cause === undefined ? undefined : { cause: errorOf(cause) });
    const hidden = { name, stack: stack ?? `${name}: ${message}` };
    for (const [key, value] of Object.entries(hidden)) Object.defineProperty(error, key, { value, writable: true, configurable: true });
    return Object.assign(error, code !== undefined && { code }, data !== undefined && { data });
  } finally {
    if (!isFixed) Error.stackTraceLimit = limit;
  }
}

/** Why a version has no child that takes calls. */
export interface Outage {
  /** Stands after "the plugin, which". */
  state: string;
  /** Of the last start, where that failed. */
  error: ChameleonError | null;
}

/** True for every error of this library, also of another copy of it in the same process. */
export function isChameleonError(value: unknown): value is ChameleonError {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
}

/** How an exit reads in a message. */
export function describeExit(exit: ExitFacts): string {
  if (exit.cause === 'unkillable') return `${exit.cause}: ${exit.detail}`;
  const how = exit.signal !== null ? `signal ${exit.signal}` : exit.code !== null ? `exit code ${exit.code}` : 'never started';
  return `${exit.cause}, ${how}${exit.detail === null ? '' : `: ${exit.detail}`}`;
}

/** `name@version`. */
export const named = (subject: ErrorSubject): string => `${subject.plugin ?? 'plugin'}${subject.version === undefined ? '' : `@${subject.version}`}`;

/** `name@version.method`. */
export const called = (subject: ErrorSubject): string => `${named(subject)}.${subject.method ?? '?'}`;
