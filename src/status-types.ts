/**
 * What a supervisor tells of itself: ends, states, status, metrics, reports. Imports nothing, does nothing.
 */
import type { RolloutStatus } from './rollout-types.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** Why a child ended. */
export type ExitCause =
  | 'stopped'
  | 'drain-timeout'
  | 'exit-code'
  | 'signal'
  | 'out-of-memory'
  | 'memory-limit'
  | 'uncaught-exception'
  | 'unhandled-rejection'
  | 'unresponsive'
  | 'cancel-ignored'
  | 'protocol-error'
  | 'channel-closed'
  | 'spawn-error'
  | 'start-timeout'
  | 'start-failed'
  /** SIGKILL did not end it, because the kernel holds it: it was left, and is still there. */
  | 'unkillable';

/** The facts of one child's end. */
export interface ExitFacts {
  pid: number | null;
  code: number | null;
  signal: string | null;
  cause: ExitCause;
  /** What the cause was in words, where more is known than its name. */
  detail: string | null;
  uptimeMs: number;
  /** Its resident memory when it was last looked at. */
  rssBytes: number | null;
  /** The last lines of the child's stderr, control characters escaped and secrets struck out. */
  stderrTail: string;
  /** The calls that were running; for an unresponsive child the likely culprit comes first. */
  inFlight: { id: number; method: string }[];
}

export type InstanceState = 'starting' | 'ready' | 'draining' | 'stopping' | 'exited';
/** `idle`: its children were stopped since nobody called; the next call starts them. */
export type DeploymentState = 'starting' | 'running' | 'restarting' | 'idle' | 'draining' | 'stopped' | 'failed';
/** `failed`: its active version is, and no rollout is under way. */
export type PluginState = 'empty' | 'activating' | 'active' | 'failed' | 'switching' | 'stopped';
/** What a version is to its plugin: `held` is warm to be gone back to, `leaving` finishes its calls. */
export type VersionRole = 'active' | 'pinned' | 'candidate' | 'held' | 'leaving';
export type BreakerState = 'closed' | 'open' | 'half-open' | 'isolated';

export interface BreakerStatus {
  state: BreakerState;
  /** Failures counted in the current window. */
  failures: number;
  /** Until the next probe is allowed; 0 unless open. */
  retryAfterMs: number;
}

export interface InstanceStatus {
  id: string;
  state: InstanceState;
  pid: number | null;
  uptimeMs: number;
  inFlight: number;
  rssBytes: number | null;
  cpuMs: number | null;
  eventLoopDelayMs: number | null;
  /** Address of its inspector for a debugger, `ws://127.0.0.1:PORT/ID`; null without the option `debug`. */
  inspector: string | null;
}

export interface VersionStatus {
  version: string;
  state: DeploymentState;
  role: VersionRole;
  active: boolean;
  dir: string;
  /** Of several instances the first that serves. */
  pid: number | null;
  /** Of the instance that has served longest. */
  uptimeMs: number;
  inFlight: number;
  queued: number;
  queuedBytes: number;
  breaker: BreakerStatus;
  restarts: number;
  /** Of all instances that serve, together. */
  rssBytes: number | null;
  methods: string[];
  instances: InstanceStatus[];
  /** It has the option `debug`: no clock ends or replaces its children. */
  debug: boolean;
  /** Calls that are refused for a while, since they were in flight at too many deaths. */
  poisoned: PoisonedCall[];
  /** Methods that ignored a cancellation for longer than `cancelGraceMs`. */
  ignoredCancels: IgnoredCancel[];
  /** Log records that went over `maxLogsPerSecond` or `maxLogBytesPerSecond` and were not kept. */
  droppedLogs: number;
  /** Until its next start, while one is due; else null. A version that is failed and has null is not started again by itself. */
  retryAfterMs: number | null;
  /** Why the version is failed, or its last start, while none has succeeded since. */
  lastError: { code: string; message: string } | null;
  lastExit: ExitFacts | null;
}

/** Which bound a call was refused by. */
export type QueueLimit = 'maxQueue' | 'maxQueueBytes' | 'maxTotalQueueBytes';

/** A method whose calls went on after their cancellation. */
export interface IgnoredCancel {
  method: string;
  /** How often, since the version was started. */
  times: number;
  /** Slots that such calls hold now. */
  slots: number;
}

/** A call that took the plugin down, by its method and the digest of its arguments. */
export interface PoisonedCall {
  method: string;
  digest: string;
  deaths: number;
  /** Until it is tried again. */
  retryAfterMs: number;
}

/** A plugin: the facts of its active version, and every version that has a deployment. */
export interface PluginStatus {
  name: string;
  state: PluginState;
  /** The active version; null while there is none. */
  version: string | null;
  /** The active version's folder; null while there is none. */
  dir: string | null;
  pid: number | null;
  uptimeMs: number;
  inFlight: number;
  queued: number;
  breaker: BreakerStatus;
  restarts: number;
  rssBytes: number | null;
  methods: string[];
  versions: VersionStatus[];
  /** Null while none is under way and nothing is held. */
  rollout: RolloutStatus | null;
}

export interface SupervisorStatus {
  pid: number;
  state: 'running' | 'closing' | 'closed';
  uptimeMs: number;
  rssBytes: number;
  /** Processes that wait for the next start of a plugin. */
  spares: number;
  plugins: PluginStatus[];
  /** What the catalog refused, and why. */
  refused: { path: string; code: string; message: string }[];
}

/** Milliseconds. Percentiles are within 1 % of the true value. */
export interface Distribution {
  min: number;
  mean: number;
  max: number;
  p50: number;
  p90: number;
  p99: number;
}

export interface MethodMetrics {
  calls: number;
  succeeded: number;
  failed: number;
  failuresByCode: Record<string, number>;
  retries: number;
  /** From admission to the frame being written. */
  waitingMs: Distribution;
  /** From the frame being written to the end of the work. */
  runningMs: Distribution;
}

export interface VersionMetrics {
  methods: Record<string, MethodMetrics>;
  /** How often it was idle and a call came. */
  wakes: number;
  /** From that call until a child was ready; the calls that waited for it have that in their `waitingMs` too. */
  wakingMs: Distribution;
  inFlight: number;
  queued: number;
  breaker: BreakerState;
  restarts: number;
  cpuMs: number | null;
  rssBytes: number | null;
}

/** By plugin name, then version. Empty when measuring is switched off. */
export interface MetricsSnapshot {
  sinceMs: number;
  plugins: Record<string, Record<string, VersionMetrics>>;
}

export interface CloseReport {
  /** Instances that ended after draining and `free()`. */
  stopped: number;
  /** Instances that had to be killed. */
  killed: number;
  /** Calls that the drain timeout cut off. */
  abandonedCalls: number;
  durationMs: number;
}

/** One record of a plugin's output or of the supervisor's own doings. */
export interface LogRecord {
  level: LogLevel;
  message: string;
  plugin: string;
  version: string;
  pid: number | null;
  stream: 'stdout' | 'stderr' | 'log';
  fields?: Record<string, unknown>;
}
