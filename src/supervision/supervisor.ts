/**
 * The host's handle on all of it: checks what comes from the host, and hands it to where it belongs.
 *
 * 1. A call never throws: whatever is wrong with it, its promise says so.
 * 2. After `close()` resolved no process, timer or listener of ours is left.
 */
import { NotSerializableError, type ConfigInvalidError, SupervisorClosedError, type ChameleonError } from '../errors.ts';
import { EventHub, type SupervisorEvent, type Telemetry } from '../events.ts';
import { checkCallOptions, checkCloseOptions, checkInstallOptions, checkUnloadOptions } from '../options-calls.ts';
import { resolveOptions, validateLoadOptions, type ResolvedOptions } from '../options.ts';
import { ownResidentBytes } from '../process/memory.ts';
import { installPlugin } from '../install/api.ts';
import type { InstallOptions, InstallResult } from '../install/types.ts';
import { sweepOrphans } from '../process/orphans.ts';
import { argsToJson, NotJson } from '../protocol/json.ts';
import { FIRST_CALL_ID } from '../protocol/messages.ts';
import type {
  BreakerStatus,
  CallOptions,
  Client,
  CloseReport,
  LoadOptions,
  MethodInfo,
  MetricsSnapshot,
  PluginStatus,
  RolloutResult,
  SupervisorOptions,
  SupervisorStatus,
  VersionMetrics,
  WaitFor,
} from '../types.ts';
import { openMemory } from '../state/open.ts';
import { typedClient } from './client.ts';
import type { Deployment } from './deployment.ts';
import { Reconciler, type ReconfigureReport } from './reconciler.ts';
import { References } from './references.ts';
import { Roster } from './roster.ts';
import { Following } from './following.ts';
import { total } from './status.ts';
import { performance } from '../util/timers.ts';

export interface SupervisorSetup {
  options: ResolvedOptions;
  version: string;
  telemetry: Telemetry | null;
  random(): number;
}

const NO_OPTIONS: CallOptions = {};

export class Supervisor extends EventHub {
  readonly #roster: Roster;
  readonly #telemetry: Telemetry | null;
  readonly #references: References;
  readonly #startedAt = performance.now();
  #nextId = FIRST_CALL_ID;
  /** By plugin: what went wrong, once it was seen. */
  #firstStarts: ReadonlyMap<string, Promise<ChameleonError[]>> = new Map();
  readonly #reconciler: Reconciler;
  readonly #following: Following;
  #closing: Promise<CloseReport> | null = null;
  #closed = false;
  readonly #newId = (): number => this.#nextId++;

  /** Not for hosts: `createSupervisor` makes one that runs. */
  constructor({ options, version, telemetry, random }: SupervisorSetup) {
    super();
    this.#telemetry = telemetry;
    const emit = (event: SupervisorEvent): void => this.publish(event);
    this.#roster = new Roster({ options, version, random, observer: telemetry, emit });
    this.#references = new References(this.#roster.plugins);
    this.#reconciler = new Reconciler(this.#roster, emit);
    this.#following = new Following(this.#reconciler, emit);
  }

  /** Starts what the plugin folder holds. Throws `StateInUseError`, and with `strict` the first error; then nothing is left of it. */
  async start(): Promise<void> {
    try {
      const { strict, waitFor } = this.#roster.options;
      const refused = await this.#begin(this.#roster.options);
      if (strict && refused.length > 0) throw refused[0]!;
      await this.whenStarted(waitFor);
    } catch (error) {
      await this.close({ drainTimeoutMs: 0 });
      throw error;
    }
  }

  /**
   * Resolves once the first start of each plugin in the plugin folder, or of those with these names, has succeeded or failed. Throws
   * `PluginNotFoundError`, and with `strict` the first error.
   */
  async whenStarted(plugins: WaitFor = 'all'): Promise<void> {
    const names = plugins === 'all' ? [...this.#firstStarts.keys()] : plugins === 'none' ? [] : plugins;
    for (const name of names) if (!this.#firstStarts.has(name)) this.#roster.get(name);
    const starts = names.map((name) => this.#firstStarts.get(name)).filter((start) => start !== undefined);
    const [error] = (await Promise.all(starts)).flat();
    if (this.#roster.options.strict && error !== undefined) throw error;
  }

  /**
   * Calls a method of a plugin, `name` or `name@range`. Resolves with its result as JSON carries it; rejects with a `ChameleonError`.
   * The arguments are read at once: changing them later changes nothing.
   */
  call(plugin: string, method: string, args: readonly unknown[] = [], options: CallOptions = NO_OPTIONS): Promise<unknown> {
    try {
      if (this.#closing !== null) throw new SupervisorClosedError({ plugin, method });
      if (options !== NO_OPTIONS) checkCallOptions(options);
      const { name, range } = this.#references.of(plugin);
      const target = this.#roster.get(name);
      return target.call(this.#newId, range, method, argsToJson(args), options);
    } catch (error) {
      return Promise.reject(error instanceof NotJson ? new NotSerializableError({ plugin, method }, error.path, error.reason) : (error as Error));
    }
  }

  /** A typed client: `supervisor.plugin<HelloMethods>('hello@^1').greet('世界')`. Looks nothing up until it is called. */
  plugin<M>(plugin: string, options?: CallOptions): Client<M> {
    return typedClient<M>(
      (method, args) => this.call(plugin, method, args, options),
      () => this.#methodsOf(plugin),
    );
  }

  /**
   * Puts a version into the plugin folder: of a folder, a .tgz, or the registry (`NAME@VERSION`), and starts nothing. Throws
   * `InstallFailedError`, `ManifestInvalidError` for what is no plugin, and `ConfigInvalidError` without a plugin folder.
   */
  async install(source: string, options: InstallOptions = {}): Promise<InstallResult> {
    this.#mustBeOpen();
    checkInstallOptions(options);
    return installPlugin(source, { ...options, pluginDir: this.#roster.options.pluginDir });
  }

  /** Starts the plugin in `dir`, or replaces the version that is active now, blue-green. Throws `PluginExistsError` when it is active already. */
  async load(dir: string, options: LoadOptions = {}): Promise<RolloutResult> {
    this.#mustBeOpen();
    return this.#roster.load(dir, validateLoadOptions(options));
  }

  /** The same version in a fresh child, blue-green. Throws `ReloadFailedError`; what served then serves on. */
  async reload(name: string, options: LoadOptions = {}): Promise<RolloutResult> {
    this.#mustBeOpen();
    return this.#roster.reload(name, validateLoadOptions(options));
  }

  /** Back to the version that was active before: at once while it is held, else blue-green. Throws `VersionNotFoundError` when there was none. */
  async rollback(name: string): Promise<RolloutResult> {
    this.#mustBeOpen();
    return this.#roster.rollback(name);
  }

  /** Drains and stops a plugin, or one version of it. */
  async unload(name: string, options: { version?: string } = {}): Promise<void> {
    this.#mustBeOpen();
    checkUnloadOptions(options);
    return this.#roster.unload(name, options.version);
  }

  /** Follows new options, and the plugin folder as it is now: what changed is replaced blue-green. Invalid options change nothing. */
  async reconfigure(options: SupervisorOptions): Promise<ReconfigureReport> {
    this.#mustBeOpen();
    const resolved = resolveOptions(options);
    const report = await this.#reconciler.follow(resolved);
    await this.#following.of(resolved);
    return report;
  }

  status(): SupervisorStatus;
  status(name: string): PluginStatus;
  status(name?: string): SupervisorStatus | PluginStatus {
    if (name !== undefined) return this.#roster.get(name).status();
    return {
      pid: process.pid,
      state: this.#closed ? 'closed' : this.#closing === null ? 'running' : 'closing',
      uptimeMs: Math.round(performance.now() - this.#startedAt),
      rssBytes: ownResidentBytes(),
      spares: this.#roster.spares.waiting,
      plugins: this.#roster.sorted().map((plugin) => plugin.status()),
      refused: this.#roster.refused.map(({ path, error }) => ({ path, code: error.code, message: error.message })),
    };
  }

  /** The names of the methods that `name` or `name@range` has; empty until it was ready once. */
  methods(name: string): string[] {
    return [...(this.#deployment(name).dispatcher.methods?.keys() ?? [])];
  }

  breaker(name: string): BreakerStatus {
    return this.#deployment(name).dispatcher.breaker.status(performance.now());
  }

  /** Holds the circuit of `name` open until `restore`, or until another version or child replaces this one. */
  isolate(name: string): void {
    this.#deployment(name).dispatcher.breaker.isolate(performance.now());
  }

  /** Closes the circuit of `name`, whatever opened it. */
  restore(name: string): void {
    this.#deployment(name).dispatcher.breaker.restore(performance.now());
  }

  /** Lets calls through again that are refused since they were in flight at too many deaths. */
  clearPoisoned(name: string): void {
    this.#deployment(name).dispatcher.poison.clear();
  }

  metrics(name?: string): MetricsSnapshot {
    const telemetry = this.#telemetry;
    if (telemetry === null) return { sinceMs: 0, plugins: {} };
    const plugins = name === undefined ? this.#roster.sorted() : [this.#roster.get(name)];
    const snapshot: MetricsSnapshot = { sinceMs: telemetry.sinceMs(), plugins: {} };
    for (const plugin of plugins) {
      const versions: Record<string, VersionMetrics> = {};
      for (const each of plugin.status().versions) {
        const { inFlight, queued, restarts, rssBytes } = each;
        versions[each.version] ??= {
          methods: telemetry.methods(plugin.name, each.version),
          ...telemetry.wakes(plugin.name, each.version),
          inFlight,
          queued,
          breaker: each.breaker.state,
          restarts,
          cpuMs: total(each.instances.map(({ cpuMs }) => cpuMs)),
          rssBytes,
        };
      }
      snapshot.plugins[plugin.name] = versions;
    }
    return snapshot;
  }

  resetMetrics(name?: string): void {
    if (name !== undefined) this.#roster.get(name);
    this.#telemetry?.reset(name);
  }

  /**
   * Refuses new calls, finishes those that were admitted within `drainTimeoutMs` (default: each plugin's own), then stops every child.
   * Closing again waits for the same end; with `drainTimeoutMs: 0` it also kills what is still running.
   */
  close(options: { drainTimeoutMs?: number } = {}): Promise<CloseReport> {
    try {
      checkCloseOptions(options);
    } catch (error) {
      const mistake = error as ConfigInvalidError;
      return Promise.reject(mistake);
    }
    if (this.#closing === null) this.#closing = this.#close(options.drainTimeoutMs);
    else if (options.drainTimeoutMs === 0) this.#roster.kill();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #begin(options: ResolvedOptions): Promise<ChameleonError[]> {
    this.#roster.memory = await openMemory(options.stateDir, (message) => this.publish({ kind: 'state-lost', message }));
    const [swept, { refused, started }] = await Promise.all([sweepOrphans(), this.#reconciler.begin()]);
    this.#firstStarts = started;
    if (swept.length > 0) this.publish({ kind: 'orphans-swept', pids: swept });
    await this.#following.of(options);
    return refused;
  }

  async #close(drainTimeoutMs: number | undefined): Promise<CloseReport> {
    const started = performance.now();
    // At once: what was heard of the plugin folder may be in the middle of a rollout, which ends with its plugin. Yet not before a
    // listener that closes us is done with what it was told.
    const ending = Promise.resolve().then(() => this.#roster.close(drainTimeoutMs));
    const [ends] = await Promise.all([ending, this.#following.close()]);
    this.#closed = true;
    const report: CloseReport = { stopped: 0, killed: 0, abandonedCalls: 0, durationMs: Math.round(performance.now() - started) };
    for (const end of ends) {
      report.stopped += end.stopped;
      report.killed += end.killed;
      report.abandonedCalls += end.abandonedCalls;
    }
    return report;
  }

  #deployment(plugin: string): Deployment {
    const { name, range } = this.#references.of(plugin);
    return this.#roster.get(name).route(range);
  }

  /** Null while they are not known, or while there is no such plugin or version. */
  #methodsOf(plugin: string): ReadonlyMap<string, MethodInfo> | null {
    try {
      return this.#deployment(plugin).dispatcher.methods;
    } catch {
      return null;
    }
  }

  #mustBeOpen(): void {
    if (this.#closing !== null) throw new SupervisorClosedError();
  }
}
