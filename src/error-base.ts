/**
 * What every error of ours is: a code, a subject, and facts as fields. The errors themselves stand in errors.ts.
 */

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

  /** Every fact, for logs and for the control socket; `stack` is left out. */
  toJSON(): Record<string, unknown> {
    const { code, message, name } = this;
    const cause =
      this.cause instanceof ChameleonError ? this.cause.toJSON() : this.cause instanceof Error ? { message: this.cause.message } : undefined;
    return { name, code, message, ...Object.fromEntries(Object.entries(this).filter(([, value]) => value !== undefined)), cause };
  }
}

/** True for every error of this library, also of another copy of it in the same process. */
export function isChameleonError(value: unknown): value is ChameleonError {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
}
