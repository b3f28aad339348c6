/**
 * What happens in a supervisor, as one union on `kind`. Logs, metrics and the host subscribe; the core only emits.
 */
import { EventEmitter } from 'node:events';
import type { ChameleonError, ReloadFailedError } from './errors.ts';
import type { BreakerState, ExitFacts, LogRecord, MethodMetrics, RolloutPhase, RolloutResult, VersionMetrics } from './types.ts';
import { setImmediate } from './util/timers.ts';

interface Subject {
  plugin: string;
  version: string;
}

/** Why a child that has not died is replaced. */
export type ReplaceReason = 'cancel-ignored' | 'memory-limit' | 'max-age' | 'max-calls';

export type SupervisorEvent =
  | ({ kind: 'instance-starting'; instance: string } & Subject)
  | ({ kind: 'instance-ready'; instance: string; pid: number; startMs: number } & Subject)
  /** `url`: of its inspector, for a debugger. */
  | ({ kind: 'debugger-listening'; instance: string; url: string } & Subject)
  | ({ kind: 'instance-stopped'; instance: string; exit: ExitFacts } & Subject)
  | ({ kind: 'instance-crashed'; instance: string; exit: ExitFacts } & Subject)
  | ({ kind: 'instance-start-failed'; instance: string; error: ChameleonError } & Subject)
  | ({ kind: 'instance-replacing'; instance: string; reason: ReplaceReason } & Subject)
  | ({ kind: 'restart-scheduled'; delayMs: number; restarts: number } & Subject)
  /** `retryAfterMs`: until its next start; null where none is tried. */
  | ({ kind: 'plugin-failed'; error: ChameleonError; retryAfterMs: number | null } & Subject)
  | ({ kind: 'plugin-activated'; from: string | null } & Subject)
  | ({ kind: 'reload-failed'; from: string; error: ReloadFailedError } & Subject)
  | ({ kind: 'rolled-back'; from: string; result: RolloutResult } & Subject)
  | ({ kind: 'rollout-phase'; from: string | null; phase: RolloutPhase } & Subject)
  | ({ kind: 'started-on-demand' } & Subject)
  | ({ kind: 'idle-stopped' } & Subject)
  | ({ kind: 'woken'; wakingMs: number } & Subject)
  | ({ kind: 'plugin-unloaded' } & Subject)
  | ({ kind: 'drain-timeout'; calls: { id: number; method: string }[] } & Subject)
  | ({ kind: 'free-failed'; error: ChameleonError } & Subject)
  | ({ kind: 'breaker-changed'; from: BreakerState; to: BreakerState } & Subject)
  | ({ kind: 'stray-answer'; instance: string; reason: string } & Subject)
  | ({ kind: 'call-poisoned'; method: string; digest: string; deaths: number } & Subject)
  | { kind: 'plugin-refused'; path: string; error: ChameleonError }
  /** Other users could change the plugins in `path`, which `strictModes` would refuse. */
  | { kind: 'folder-exposed'; path: string; message: string }
  | { kind: 'state-lost'; message: string }
  | { kind: 'watch-failed'; message: string }
  | { kind: 'orphans-swept'; pids: number[] }
  | { kind: 'log'; record: LogRecord };

export type EventOf<K extends SupervisorEvent['kind']> = Extract<SupervisorEvent, { kind: K }>;

/** Sends an event up. Never throws. */
export type Emit = (event: SupervisorEvent) => void;

/** One entry for each kind, and `event` for all of them. */
export type EventMap = { [K in SupervisorEvent['kind']]: [EventOf<K>] } & { event: [SupervisorEvent] };

/** An emitter whose failing listener is the host's uncaught exception, never a broken supervisor. */
export class EventHub extends EventEmitter<EventMap> {
  protected publish(event: SupervisorEvent): void {
    for (const name of [event.kind, 'event'] as const) {
      if (this.listenerCount(name) === 0) continue;
      try {
        (this as EventEmitter).emit(name, event);
      } catch (error) {
        setImmediate(() => {
          throw error;
        });
      }
    }
  }
}

/**
 * What the telemetry of calls sees. Called on the call path: implementations neither throw nor allocate more than they must.
 * `runningMs` is negative when the call was never sent.
 */
export interface CallObserver {
  settled(plugin: string, version: string, method: string, code: string | null, waitingMs: number, runningMs: number): void;
  retried(plugin: string, version: string, method: string): void;
}

/** What measures calls, as the supervisor sees it. */
export interface Telemetry extends CallObserver {
  /** Since when it counts, in milliseconds ago. */
  sinceMs(): number;
  methods(plugin: string, version: string): Record<string, MethodMetrics>;
  /** It was idle, and from the call that ended that until it was ready it took `ms`. */
  woken(plugin: string, version: string, ms: number): void;
  wakes(plugin: string, version: string): Pick<VersionMetrics, 'wakes' | 'wakingMs'>;
  reset(plugin?: string): void;
}
