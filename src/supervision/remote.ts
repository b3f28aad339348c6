/** What an error answer from a child means: the error for the caller, the outcome for the breaker, and whether to try again. */
import {
  CallTimeoutError,
  MethodNotFoundError,
  NotSerializableError,
  PayloadTooLargeError,
  PluginThrewError,
  type ChameleonError,
  type ErrorSubject,
  type RemoteError,
} from '../errors.ts';
import { redact } from '../process/redact.ts';
import { isTooDeep } from '../protocol/json.ts';
import { ErrorCode, type ThrownData, type WireError } from '../protocol/messages.ts';
import type { Outcome } from '../resilience/breaker.ts';
import type { MethodInfo } from '../types.ts';
import { cut } from '../util/cut.ts';
import type { Call } from './call.ts';

export interface RemoteFailure {
  error: ChameleonError;
  outcome: Outcome;
  mayRetry: boolean;
}

const MAX_MESSAGE = 8192;
const MAX_STACK = 16_384;
const MAX_CAUSES = 5;

/** `isLarge`: the error came in so large a message that what it holds is not looked through. */
export function remoteFailure(call: Call, wire: WireError, isLarge: boolean, method: MethodInfo | undefined): RemoteFailure {
  const { subject } = call;
  const data = (typeof wire.data === 'object' && wire.data !== null ? wire.data : {}) as Record<string, unknown>;
  switch (wire.code) {
    case ErrorCode.resultNotSerializable:
      return {
        error: new NotSerializableError(subject, text(data.path, 'result'), text(data.reason, wire.message)),
        outcome: 'ignored',
        mayRetry: false,
      };
    case ErrorCode.resultTooLarge:
      return { error: tooLarge(subject, data), outcome: 'ignored', mayRetry: false };
    case ErrorCode.methodNotFound:
      return { error: new MethodNotFoundError(subject, []), outcome: 'ignored', mayRetry: false };
    case ErrorCode.cancelled:
      // The host did not ask: the child's clock has reached the deadline a moment before ours.
      return { error: new CallTimeoutError(subject, call.timeoutMs, 'running'), outcome: 'failure', mayRetry: false };
    case ErrorCode.invalidParams:
      return { error: new PluginThrewError(subject, remote(wire.message, data, isLarge)), outcome: 'ignored', mayRetry: false };
    default: {
      // An error that is an answer says that the plugin is well.
      const failed = method?.errorsAreFailures !== false && data.isFailure !== false;
      return { error: new PluginThrewError(subject, remote(wire.message, data, isLarge)), outcome: failed ? 'failure' : 'success', mayRetry: failed };
    }
  }
}

function tooLarge(subject: ErrorSubject, { bytes, limit, values, bound }: Record<string, unknown>): PayloadTooLargeError {
  const excess = { bytes: number(bytes), limit: number(limit) };
  if (typeof values === 'number') return new PayloadTooLargeError(subject, 'result', { ...excess, bound: 'maxMessageValues', values });
  return new PayloadTooLargeError(subject, 'result', { ...excess, bound: bound === 'maxTotalAnswerBytes' ? bound : 'maxMessageBytes' });
}

const number = (value: unknown): number => (typeof value === 'number' ? value : 0);
const text = (value: unknown, otherwise: string): string => (typeof value === 'string' ? cut(value, MAX_MESSAGE) : otherwise);

function printable(data: unknown, isLarge: boolean): unknown {
  if (isLarge) return '(dropped: it is too large)';
  return isTooDeep(data) ? '(dropped: it nests too deep)' : data;
}

/** Whatever the child sent, it becomes bounded fields of known types. */
function remote(message: unknown, data: Record<string, unknown>, isLarge: boolean, depth = 0): RemoteError {
  const { name, stack, code, cause } = data as Partial<ThrownData>;
  const error: RemoteError = { name: typeof name === 'string' ? cut(name, 200) : 'Error', message: redact(text(message, 'unknown')) };
  // Not listed, as in every error: who prints this one sees it in `cause`.
  if (typeof stack === 'string') Object.defineProperty(error, 'stack', { value: redact(cut(stack, MAX_STACK)), enumerable: false });
  if (typeof code === 'string' || typeof code === 'number') error.code = typeof code === 'string' ? cut(code, 200) : code;
  if (data.data !== undefined) error.data = printable(data.data, isLarge);
  if (typeof cause === 'object' && cause !== null && depth < MAX_CAUSES)
    error.cause = remote(cause.message, cause as unknown as Record<string, unknown>, isLarge, depth + 1);
  return error;
}
