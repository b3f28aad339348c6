/** What `status()` shows, put together from what the parts say of themselves. Pure. */
import type { Release } from '../catalog/release.ts';
import type { ChameleonError } from '../errors.ts';
import type { DeploymentState, ExitFacts, InstanceStatus, PluginState, PluginStatus, RolloutStatus, VersionRole, VersionStatus } from '../types.ts';
import type { Dispatcher } from './dispatcher.ts';
import { performance } from '../util/timers.ts';

export interface VersionParts {
  release: Release;
  debug: boolean;
  state: DeploymentState;
  role: VersionRole;
  dispatcher: Dispatcher;
  restarts: number;
  /** By seat. */
  serving: InstanceStatus[];
  instances: InstanceStatus[];
  retryAfterMs: number | null;
  error: ChameleonError | null;
  lastExit: ExitFacts | null;
  droppedLogs: number;
}

export function versionStatus(parts: VersionParts): VersionStatus {
  const { release, debug, state, role, dispatcher, restarts, serving, instances, error, lastExit } = parts;
  return {
    version: release.version,
    state,
    role,
    active: role === 'active',
    dir: release.dir,
    pid: serving[0]?.pid ?? null,
    uptimeMs: Math.max(0, ...serving.map(({ uptimeMs }) => uptimeMs)),
    inFlight: dispatcher.running,
    queued: dispatcher.waiting,
    queuedBytes: dispatcher.heldBytes,
    breaker: dispatcher.breaker.status(performance.now()),
    restarts,
    rssBytes: total(serving.map(({ rssBytes }) => rssBytes)),
    methods: [...(dispatcher.methods?.keys() ?? [])],
    instances,
    debug,
    poisoned: dispatcher.poison.status(),
    ignoredCancels: dispatcher.ignoredCancels.status(),
    droppedLogs: parts.droppedLogs,
    retryAfterMs: parts.retryAfterMs,
    lastError: error && { code: error.code, message: error.message },
    lastExit,
  };
}

/** Null when nothing of it is known. */
export function total(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

export function pluginStatus(name: string, state: PluginState, versions: VersionStatus[], rollout: RolloutStatus | null): PluginStatus {
  const active = versions.find((version) => version.active);
  return {
    name,
    state,
    version: active?.version ?? null,
    dir: active?.dir ?? null,
    pid: active?.pid ?? null,
    uptimeMs: active?.uptimeMs ?? 0,
    inFlight: active?.inFlight ?? 0,
    queued: active?.queued ?? 0,
    breaker: active?.breaker ?? { state: 'closed', failures: 0, retryAfterMs: 0 },
    restarts: active?.restarts ?? 0,
    rssBytes: active?.rssBytes ?? null,
    methods: active?.methods ?? [],
    versions,
    rollout,
  };
}
