/** From what was seen of a child to how its life is recorded. */
import type { Release } from '../catalog/release.ts';
import { errorOf, type RemoteError } from '../error-base.ts';
import { HandshakeError, StartFailedError, StartTimeoutError, type ChameleonError } from '../errors.ts';
import { causeOfDeath, isShortage, type RawExit } from '../process/exit.ts';
import { redact } from '../process/redact.ts';
import type { SpawnPlan } from '../process/spawn.ts';
import type { PendingCall } from '../rpc/channel.ts';
import type { ExitFacts } from '../types.ts';
import { debuggerHint, isFolderGone, startHint, timeoutHint } from './hint.ts';
import type { InstanceEnd, State, Verdict } from './state.ts';

/** What went wrong before the child was ready, when it could tell us. */
export interface StartFault {
  kind: 'failed' | 'handshake' | 'timeout';
  phase: 'handshake' | 'import' | 'init' | 'health';
  message: string;
  /** What the plugin's code threw. */
  thrown?: RemoteError;
}

export interface Seen {
  release: Release;
  plan: SpawnPlan;
  pid: number | null;
  raw: RawExit;
  uptimeMs: number;
  stderrTail: string;
  rssBytes: number | null;
  /** The kernel has ended processes for want of memory since this one began. */
  kernelWasOutOfMemory: boolean;
  state: State;
  fault: StartFault | null;
  unanswered: PendingCall[];
  lastReadAt: number;
}

export function endOf(seen: Seen): InstanceEnd {
  const { raw, unanswered, state } = seen;
  const inFlight = suspectsFirst(unanswered, seen.lastReadAt).map(({ id, method }) => ({ id, method }));
  const verdict = named(
    state.kind === 'stopping' ? state.verdict : causeOfDeath(raw, seen.stderrTail, seen.kernelWasOutOfMemory),
    inFlight[0],
    seen.plan,
  );
  // It was to end for a reason; that it did not is the news.
  const told = raw.kind === 'unkillable' ? causeOfDeath(raw, seen.stderrTail) : verdict;
  const neverReady = state.kind === 'starting' || seen.fault !== null || raw.kind === 'not-spawned';
  const exit: ExitFacts = {
    pid: seen.pid,
    code: raw.kind === 'exited' ? raw.code : null,
    signal: raw.kind === 'exited' ? raw.signal : null,
    cause: told.cause,
    detail: told.detail === null ? null : redact(told.detail),
    uptimeMs: seen.uptimeMs,
    rssBytes: seen.rssBytes,
    stderrTail: seen.stderrTail,
    inFlight,
  };
  if (neverReady) return { kind: 'start-failed', exit, unanswered, error: startError(seen, exit), isShortage: isShortage(raw) };
  if (verdict.cause === 'stopped' || verdict.cause === 'drain-timeout') return { kind: 'stopped', exit, unanswered };
  return { kind: verdict.cause === 'unresponsive' ? 'unresponsive' : 'crashed', exit, unanswered };
}

/** A hang is told with the call that the child was most likely at. */
function named(verdict: Verdict, suspect: ExitFacts['inFlight'][number] | undefined, plan: SpawnPlan): Verdict {
  if (verdict.cause !== 'unresponsive') return verdict;
  const running = suspect === undefined ? null : `running ${suspect.method} (call ${suspect.id})`;
  return { cause: verdict.cause, detail: [verdict.detail ?? 'silent', running, debuggerHint(plan)].filter((part) => part !== null).join(', ') };
}

/** A call that was sent after the child was last heard of is the likeliest to have silenced it. */
function suspectsFirst(calls: PendingCall[], lastReadAt: number): PendingCall[] {
  const sent = calls.filter((call) => call.sentAt !== null);
  const suspect = (call: PendingCall): number => (call.sentAt! >= lastReadAt ? 0 : 1);
  return sent.sort((a, b) => suspect(a) - suspect(b));
}

function redacted({ message, stack, ...rest }: RemoteError): RemoteError {
  return { ...rest, message: redact(message), ...(stack !== undefined && { stack: redact(stack) }) };
}

function spawnFault({ dir }: Release, { detail }: ExitFacts): string {
  return isFolderGone(dir) ? `its folder ${dir} is gone` : (detail ?? '');
}

function startError(seen: Seen, exit: ExitFacts): ChameleonError {
  const { release, fault } = seen;
  const { stderrTail } = exit;
  const subject = { plugin: release.name, version: release.version };
  const message =
    (fault && redact(fault.message)) ??
    (exit.cause === 'spawn-error' ? spawnFault(release, exit) : `its process ended before it was ready (${exit.signal ?? `exit code ${exit.code}`})`);
  const facts = {
    phase: exit.cause === 'spawn-error' ? ('spawn' as const) : (fault?.phase ?? 'handshake'),
    exit,
    stderrTail,
    hint: startHint(release, seen.plan.file, { message, stderrTail, exit }),
    ...(fault?.thrown && { cause: errorOf(redacted(fault.thrown)) }),
  };
  switch (fault?.kind) {
    case 'handshake':
      return new HandshakeError(`did not shake hands: ${message}`, subject, facts);
    case 'timeout':
      return new StartTimeoutError(message, subject, { ...facts, hint: debuggerHint(seen.plan) ?? timeoutHint(stderrTail) });
    default:
      return new StartFailedError(`could not be started: ${message}`, subject, facts);
  }
}
