/**
 * The wire contract between the supervisor and one child: every message, and the numbers that go with it.
 * JSON-RPC 2.0; names that start with `$/` or `rpc.` are ours, any other method name is a call of the plugin's.
 */

/** Raised when a message changes in a way that an older peer cannot understand. */
export const PROTOCOL_VERSION = 1;

/** Where the runner finds its channel: the fourth stdio pipe, a duplex socket. */
export const CHANNEL_FD = 3;

/** Carried by every process of an instance, so that none can be lost: `<supervisor pid>-<its start time>-<uuid>`. */
export const INSTANCE_MARKER = 'CHAMELEON_INSTANCE';

/** Environment variable with the numbers of descriptors that the runner closes before it loads a plugin. */
export const CLOSE_DESCRIPTORS = 'CHAMELEON_CLOSE';

/** Exit code of a child that must not be started again: its fault is not one that passes. */
export const EXIT_FATAL = 125;

/** Ids of calls count up from here, ids of control requests from 0, so the two never meet. */
export const FIRST_CALL_ID = 2 ** 30;

/** What a side says when it takes bytes beside the JSON of calls and their results. */
export const ATTACHMENTS = 'attachments';

export const MAX_METHODS = 1_000;
export const MAX_METHOD_NAME = 200;

export const Control = {
  warm: '$/warm',
  initialize: '$/initialize',
  phase: '$/phase',
  cancel: '$/cancelRequest',
  ping: '$/ping',
  lane: '$/lane',
  log: '$/log',
  quiesce: '$/quiesce',
  resume: '$/resume',
  drain: '$/drain',
  free: '$/free',
} as const;

export const ErrorCode = {
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  /** The plugin's own code threw; `data` is a `ThrownData`. */
  threw: -32000,
  /** The result is not JSON; `data` is `{ path, reason }`. */
  resultNotSerializable: -32001,
  /** The result is over `maxMessageBytes`; `data` is `{ bytes, limit }`. */
  resultTooLarge: -32002,
  /** The plugin did not become ready; `data` is `{ phase, … ThrownData }`. */
  startFailed: -32003,
  /** The call was cancelled and has stopped. */
  cancelled: -32800,
} as const;

export const isReserved = (method: string): boolean => method.startsWith('$/') || method.startsWith('rpc.');

export interface InitializeParams {
  protocol: number;
  plugin: { name: string; version: string; dir: string; entry: string | null };
  initArgs: unknown[];
  options: Record<string, unknown>;
  limits: { maxMessageBytes: number };
  /** Ways to send a value, beyond JSON, that whoever says so can read. */
  encodings?: string[];
  /** What the version before answered to `$/quiesce`, where that was asked. */
  state?: unknown;
}

interface MethodDeclaration {
  idempotent?: boolean;
  readonly?: boolean;
  timeoutMs?: number;
  errorsAreFailures?: boolean;
  params?: object;
  result?: object;
}

/** Answered after `init()` and `health()` have passed. */
export interface InitializeResult {
  protocol: number;
  methods: Record<string, MethodDeclaration>;
  pid: number;
  /** Such as `node 22.14.0` or `python 3.11.2`. */
  runtime: string;
  /** As in the parameters. */
  encodings?: string[];
  /** When given it must agree with what was asked for. */
  plugin?: { name: string; version: string };
}

export interface CallMessage {
  jsonrpc: '2.0';
  id: number;
  method: string;
  params: unknown[];
  /** Milliseconds left when the message was written. */
  deadlineMs?: number;
  /** From the second attempt on. */
  attempt?: number;
  traceparent?: string;
}

export interface PingResult {
  /** How late the event loop was at its worst since the last ping. */
  eventLoopDelayMs?: number;
  rssBytes?: number;
  /** User and system time since the child began. */
  cpuMs?: number;
}

export interface LogParams {
  level: 'error' | 'warn' | 'info' | 'debug';
  message: string;
  fields?: Record<string, unknown>;
}

/** `data` of an error that the plugin's code threw. */
export interface ThrownData {
  name: string;
  stack?: string;
  code?: string | number;
  data?: unknown;
  cause?: ThrownData & { message: string };
  /** False: this error is an answer, not a failure of the plugin. */
  isFailure?: boolean;
}

export interface WireError {
  code: number;
  message: string;
  data?: unknown;
}
