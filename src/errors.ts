/**
 * The table of errors: one class per code, facts as fields, a message that says what to do next.
 * Owns no policy: whether an error trips a breaker or is retried is decided in resilience/ and supervision/.
 */
import { ChameleonError, type ErrorSubject, type Issue, type Outage, type RemoteError, type StartPhase } from './error-base.ts';
import { called, describeExit, errorOf, named, withoutFrames } from './error-base.ts';
import type { ExitFacts, QueueLimit } from './types.ts';

export { ChameleonError, isChameleonError, type ErrorSubject, type Issue, type Outage, type RemoteError, type StartPhase } from './error-base.ts';
export { describeExit } from './error-base.ts';
export { NotSerializableError, PayloadTooLargeError, type PayloadBound } from './payload-errors.ts';
export { ContractError, QuiesceFailedError, ReloadFailedError, RolledBackError, RolloutSupersededError } from './rollout-errors.ts';
export {
  InstallFailedError,
  IntegrityError,
  UnsafeFolderError,
  VersionInUseError,
  type InstallPhase,
  type IntegrityChange,
} from './install-errors.ts';

const listed = (issues: readonly Issue[]): string => issues.map((issue) => `\n  ${issue.path || '(root)'}: ${issue.message}`).join('');
const choices = (names: readonly string[]): string => (names.length === 0 ? 'none is there' : `there is ${names.slice(0, 20).join(', ')}`);

/** A name as it stands in a message: it came from outside, and may be of any length. */
const quoted = (name: string | undefined): string => JSON.stringify(name !== undefined && name.length > 100 ? `${name.slice(0, 100)}…` : name);

export class ConfigInvalidError extends ChameleonError {
  readonly code = 'ERR_CONFIG_INVALID';
  readonly issues: readonly Issue[];
  constructor(issues: readonly Issue[], source = 'options') {
    super(`${source}: ${issues.length} ${issues.length === 1 ? 'mistake' : 'mistakes'} to correct${listed(issues)}`);
    this.issues = issues;
  }
}

export class ManifestInvalidError extends ChameleonError {
  readonly code = 'ERR_MANIFEST_INVALID';
  readonly file: string;
  readonly issues: readonly Issue[];
  constructor(file: string, issues: readonly Issue[], subject: ErrorSubject = {}) {
    super(`${file}: not a plugin that can be run${listed(issues)}`, subject);
    this.file = file;
    this.issues = issues;
  }
}

abstract class LookupError extends ChameleonError {
  readonly available: readonly string[];
  constructor(message: string, subject: ErrorSubject, available: readonly string[]) {
    super(`${message}; ${choices(available)}`, subject);
    this.available = available;
  }
}

export class PluginNotFoundError extends LookupError {
  readonly code = 'ERR_PLUGIN_NOT_FOUND';
  constructor(plugin: string, available: readonly string[]) {
    super(`no plugin is named ${quoted(plugin)}`, { plugin }, available);
  }
}

export class VersionNotFoundError extends LookupError {
  readonly code = 'ERR_VERSION_NOT_FOUND';
  readonly range: string;
  constructor(plugin: string, range: string, available: readonly string[]) {
    super(`no version of ${plugin} that fits ${quoted(range)}`, { plugin }, available);
    this.range = range;
  }
}

export class MethodNotFoundError extends LookupError {
  readonly code = 'ERR_METHOD_NOT_FOUND';
  constructor(subject: ErrorSubject, available: readonly string[]) {
    super(`${named(subject)} has no method ${quoted(subject.method)}`, subject, available);
  }
}

export class PluginExistsError extends ChameleonError {
  readonly code = 'ERR_PLUGIN_EXISTS';
  constructor(subject: ErrorSubject) {
    super(`${named(subject)} is active already; reload() replaces its child, load() takes another version`, subject);
  }
}

/** The child did not become ready. `hint` says what usually helps. */
abstract class StartError extends ChameleonError {
  readonly phase: StartPhase;
  readonly exit: ExitFacts | null;
  declare readonly stderrTail: string;
  readonly hint: string;
  constructor(
    what: string,
    subject: ErrorSubject,
    facts: { phase: StartPhase; exit?: ExitFacts | null; stderrTail?: string; hint: string; cause?: unknown },
  ) {
    const said = withoutFrames(facts.stderrTail)?.trim().split('\n').slice(-5).join('\n    ') ?? '';
    const tail = said === '' ? '' : `\n  last output: ${said}`;
    super(`${named(subject)} ${what} (phase ${facts.phase})\n  hint: ${facts.hint}${tail}`, subject, facts.cause);
    this.phase = facts.phase;
    this.exit = facts.exit ?? null;
    this.repeat('stderrTail', facts.stderrTail ?? '');
    this.hint = facts.hint;
  }
}

export class StartFailedError extends StartError {
  readonly code = 'ERR_START_FAILED';
}

export class StartTimeoutError extends StartError {
  readonly code = 'ERR_START_TIMEOUT';
}

export class HandshakeError extends StartError {
  readonly code = 'ERR_HANDSHAKE';
}

const inWords = ({ state, error }: Outage): string =>
  `which ${state}${error === null ? '' : `; its last start failed: ${error.message.split('\n', 1)[0]}`}`;

export class CallTimeoutError extends ChameleonError {
  readonly code = 'ERR_CALL_TIMEOUT';
  readonly timeoutMs: number;
  /** `queued`: it never reached the plugin. `running`: it may have been executed. */
  readonly phase: 'queued' | 'running';
  override readonly retryable = true;
  /** `outage`: why no child could take the call while it was queued. */
  constructor(subject: ErrorSubject, timeoutMs: number, phase: 'queued' | 'running', outage: Outage | null = null) {
    const queued = outage === null ? 'it waited for a slot: raise concurrency or send less' : `it waited for the plugin, ${inWords(outage)}`;
    super(
      `${called(subject)} was not answered within ${timeoutMs} ms (${phase === 'queued' ? queued : 'it was running: raise timeoutMs or look into the method'})`,
      subject,
      outage?.error ?? undefined,
    );
    this.timeoutMs = timeoutMs;
    this.phase = phase;
  }
}

export class CallCancelledError extends ChameleonError {
  readonly code = 'ERR_CALL_CANCELLED';
  constructor(subject: ErrorSubject, cause?: unknown) {
    super(`${called(subject)} was cancelled by its caller`, subject, cause);
  }
}

export class QueueFullError extends ChameleonError {
  readonly code = 'ERR_QUEUE_FULL';
  readonly limit: QueueLimit;
  readonly retryAfterMs: number;
  override readonly retryable = true;
  constructor(subject: ErrorSubject, limit: QueueLimit, retryAfterMs: number) {
    super(`${named(subject)} has no room for another call (${limit}); try again in ${retryAfterMs} ms`, subject);
    this.limit = limit;
    this.retryAfterMs = retryAfterMs;
  }
}

export class CircuitOpenError extends ChameleonError {
  readonly code = 'ERR_CIRCUIT_OPEN';
  readonly retryAfterMs: number;
  override readonly retryable = true;
  constructor(subject: ErrorSubject, retryAfterMs: number, state: 'open' | 'half-open' | 'isolated' = 'open') {
    super(
      `${named(subject)} is refusing calls, its circuit is ${state}; ${state === 'isolated' ? 'an operator holds it open' : `try again in ${retryAfterMs} ms`}`,
      subject,
    );
    this.retryAfterMs = retryAfterMs;
  }
}

export class CallPoisonedError extends ChameleonError {
  readonly code = 'ERR_CALL_POISONED';
  readonly digest: string;
  readonly deaths: number;
  readonly retryAfterMs: number;
  override readonly retryable = true;
  constructor(subject: ErrorSubject, facts: { digest: string; deaths: number; retryAfterMs: number }) {
    super(
      `${called(subject)} with these arguments (${facts.digest}) was in flight at ${facts.deaths} deaths of the plugin; it is refused for ${facts.retryAfterMs} ms, or until clearPoisoned()`,
      subject,
    );
    this.digest = facts.digest;
    this.deaths = facts.deaths;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

export class PluginUnavailableError extends ChameleonError {
  readonly code = 'ERR_PLUGIN_UNAVAILABLE';
  readonly state: string;
  /** Until its next start, where one is due. */
  readonly retryAfterMs: number | undefined;
  override readonly retryable: boolean;
  constructor(subject: ErrorSubject, state: string, cause?: unknown, retryAfterMs: number | null = null) {
    const why = cause instanceof Error ? `: ${cause.message}` : '';
    const again = retryAfterMs === null ? '' : `its start is tried again in ${retryAfterMs} ms; or `;
    super(`${named(subject)} is ${state}${state === 'failed' ? `, ${again}reload it once the reason is mended${why}` : why}`, subject, cause);
    this.state = state;
    this.retryAfterMs = retryAfterMs ?? undefined;
    this.retryable = state === 'starting' || state === 'restarting' || retryAfterMs !== null;
  }
}

export class PluginCrashedError extends ChameleonError {
  readonly code = 'ERR_PLUGIN_CRASHED';
  readonly exit: ExitFacts;
  declare readonly stderrTail: string;
  /** Whether the plugin may have begun this call before it died. */
  readonly maybeExecuted: boolean;
  override readonly retryable = true;
  constructor(subject: ErrorSubject, exit: ExitFacts, maybeExecuted: boolean) {
    super(
      `${called(subject)}: the plugin's process ended during the call (${describeExit(exit)})${maybeExecuted ? '; it may have been executed' : ''}`,
      subject,
    );
    this.exit = exit;
    this.repeat('stderrTail', exit.stderrTail);
    this.maybeExecuted = maybeExecuted;
  }
}

export class PluginThrewError extends ChameleonError {
  readonly code = 'ERR_PLUGIN_THREW';
  /** The plugin's error as it arrived. `cause` is the same as an `Error`. */
  readonly remote: RemoteError;
  constructor(subject: ErrorSubject, remote: RemoteError) {
    super(`${called(subject)} threw ${remote.name}: ${remote.message}`, subject);
    this.remote = remote;
  }

  /** Made when it is asked for: most callers never look at it. */
  override get cause(): Error {
    const cause = errorOf(this.remote);
    Object.defineProperty(this, 'cause', { value: cause, writable: true, configurable: true });
    return cause;
  }
}

export class ProtocolError extends ChameleonError {
  readonly code = 'ERR_PROTOCOL';
  readonly reason: string;
  constructor(reason: string, subject: ErrorSubject = {}) {
    super(`${named(subject)} broke the wire protocol: ${reason}`, subject);
    this.reason = reason;
  }
}

export class FreeFailedError extends ChameleonError {
  readonly code = 'ERR_FREE_FAILED';
  constructor(subject: ErrorSubject, reason: string) {
    super(`${named(subject)}: free() ${reason}; its child was stopped all the same`, subject);
  }
}

export class SupervisorClosedError extends ChameleonError {
  readonly code = 'ERR_SUPERVISOR_CLOSED';
  constructor(subject: ErrorSubject = {}) {
    super('the supervisor is closed; create another one', subject);
  }
}

export class StateInUseError extends ChameleonError {
  readonly code = 'ERR_STATE_IN_USE';
  readonly dir: string;
  readonly pid: number;
  constructor(dir: string, pid: number) {
    super(`${dir} belongs to the running supervisor ${pid}; stop that one, or give this one a stateDir of its own`);
    this.dir = dir;
    this.pid = pid;
  }
}
