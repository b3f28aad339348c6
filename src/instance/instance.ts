/**
 * One life of one child: process, channel and handshake from spawning to the last of its processes.
 * Born by the constructor, dies once, is never restarted; what to do about its death is its deployment's business.
 *
 * 1. `ready` and `done` always resolve: lives end in a value.
 * 2. Every call that was given to it is answered, or comes back in `done`.
 * 3. When `gone` resolves no process that carries its marker is left.
 */
import type { Release } from '../catalog/release.ts';
import { FreeFailedError } from '../errors.ts';
import type { Emit } from '../events.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import { kernelOomKills } from '../process/oom.ts';
import { processorTime } from '../process/processor.ts';
import type { RawExit } from '../process/exit.ts';
import { spawn, type Spawned } from '../process/spawn.ts';
import { Control, ErrorCode } from '../protocol/messages.ts';
import { Channel, type ChannelOptions, type PendingCall } from '../rpc/channel.ts';
import type { ExitCause, InstanceStatus } from '../types.ts';
import { deferred } from '../util/deferred.ts';
import { isEnding, lastWords } from './closing.ts';
import { endOf, type StartFault } from './ending.ts';
import { initializeParams, readGreeting, readRefusal, type Welcome } from './handshake.ts';
import { Inspector } from './inspector.ts';
import { Journal } from './journal.ts';
import { climb, DrainTime } from './ladder.ts';
import { launchPlan, marked } from './launch.ts';
import { Liveness } from './liveness.ts';
import { MemoryWatch } from './memory-watch.ts';
import type { Spare } from './spare.ts';
import { StartWatch } from './start-watch.ts';
import { transition, type InstanceEnd, type Readiness, type State, type Transition } from './state.ts';
import { performance, setImmediate } from '../util/timers.ts';

export interface InstanceOptions {
  release: Release;
  options: ResolvedPluginOptions;
  marker: string;
  /** A process that waits for it, marked so; else one is started. */
  spare: Spare | null;
  /** What the version before handed over; undefined where it did not. */
  state?: unknown;
  intake: ChannelOptions['intake'];
  emit: Emit;
  /** Once. */ onMemoryHigh(): void;
}

export class Instance {
  readonly marker: string;
  /** Null when it ended before it was ready; `done` says why. */
  readonly ready: Promise<Readiness | null>;
  readonly done: Promise<InstanceEnd>;
  /** Resolves when nothing of it is left. */
  readonly gone: Promise<void>;
  readonly start: StartWatch;
  readonly journal: Journal;
  takesAttachments = false;
  readonly #setup: InstanceOptions;
  readonly #subject: { plugin: string; version: string; instance: string };
  readonly #child: Spawned;
  readonly #channel: Channel | null;
  readonly #ready = deferred<Readiness | null>();
  readonly #done = deferred<InstanceEnd>();
  readonly #drainTime = new DrainTime();
  #stopping: Promise<void> | null = null;
  readonly #bornAt = performance.now();
  readonly #oomKills = kernelOomKills();
  #state: State = { kind: 'starting' };
  #fault: StartFault | null = null;
  /** The process has ended; what is read of it now are its last words. */
  #hasExited = false;
  #liveness: Liveness | null = null;
  readonly #memory: MemoryWatch;
  readonly #inspector: Inspector;

  constructor(setup: InstanceOptions) {
    this.#setup = setup;
    this.marker = setup.marker;
    this.#subject = { plugin: setup.release.name, version: setup.release.version, instance: setup.marker };
    this.ready = this.#ready.promise;
    this.done = this.#done.promise;
    const late = `was not ready within ${setup.options.startTimeoutMs} ms`;
    this.start = new StartWatch((phase) => this.#failStart({ kind: 'timeout', phase, message: late }));
    const plan = launchPlan(setup.release, setup.options);
    this.#child = setup.spare?.adopt() ?? spawn(marked(plan, setup.marker));
    const { channel, stdout, stderr, ended } = this.#child;
    this.#setup.emit({ kind: 'instance-starting', ...this.#subject });
    const { maxLogsPerSecond, maxLogBytesPerSecond } = setup.options;
    this.#memory = new MemoryWatch({
      child: this.#child.tree,
      limitBytes: setup.options.memoryLimitBytes,
      onHigh: () => this.#state.kind === 'ready' && setup.onMemoryHigh(),
      onOver: (used, limit) => this.kill('memory-limit', `${used} bytes resident, the limit is ${limit}`),
    });
    this.#inspector = new Inspector(setup.options.debug, (url) => setup.emit({ kind: 'debugger-listening', ...this.#subject, url }));
    this.journal = new Journal({ ...this.#subject, maxLogsPerSecond, maxLogBytesPerSecond, emit: setup.emit, pid: () => this.#child.pid });
    // For a command stderr is the only way to log, so it says nothing of trouble.
    this.journal.read({ stdout, stderr }, plan.transport === 'stdio' ? 'info' : 'warn', this.#inspector.read);
    this.#channel = channel && this.#open(channel, plan.transport);
    this.gone = ended.then((raw) => this.#finish(raw));
    if (this.#channel !== null) void this.#shakeHands(this.#channel);
  }

  get state(): State {
    return this.#state;
  }

  get inFlight(): number {
    return this.#channel?.pending ?? 0;
  }

  /** What it was given and has not answered. */
  calls(): PendingCall[] {
    return this.#channel?.pendingCalls() ?? [];
  }

  /** Only of a ready or draining instance: its deployment sees to that. */
  call(call: PendingCall): void {
    this.#channel!.call(call);
  }

  /** True when it was never sent and is gone; false when the child may be at it and was told to stop. */
  cancel(call: PendingCall): boolean {
    if (this.#channel!.withdraw(call)) return true;
    this.#channel!.cancel(call.id);
    return false;
  }

  /** Lets what it was given finish, then asks what is to be handed over, if that is still wanted. Null for nothing. Rejects with what was thrown. */
  async quiesce(isWanted: () => boolean): Promise<unknown> {
    await this.#channel!.idle();
    return isWanted() ? this.letGo() : null;
  }

  /** The same without waiting for what it was given. */
  async letGo(): Promise<unknown> {
    try {
      return await this.#channel!.request(Control.quiesce, {});
    } catch (error) {
      if ((error as { code?: unknown }).code === ErrorCode.methodNotFound) return null;
      throw error;
    }
  }

  /** Takes up again what it handed over, or what came of it since. Rejects when it cannot: then only a fresh child can. */
  async resume(state: unknown): Promise<void> {
    await this.#channel!.request(Control.resume, { state });
  }

  /**
   * Drains, frees, then climbs the ladder of signals. Resolves when nothing is left of it. It drains for `drainTimeoutMs`, or with null
   * for as long as its calls take. Stopping it again may shorten that.
   */
  async stop(drainTimeoutMs: number | null): Promise<InstanceEnd> {
    if (this.#state.kind === 'starting') this.kill('stopped', null);
    if (this.#state.kind === 'ready') this.#stopping = this.#drainAndEnd();
    if (this.#state.kind === 'draining' && drainTimeoutMs !== null) this.#drainTime.limit(drainTimeoutMs, this.done);
    await Promise.all([this.#stopping, this.gone]);
    return this.done;
  }

  /** Ends it at once. The first reason is the one that is told. */
  kill(cause: ExitCause, detail: string | null): void {
    this.#move({ kind: 'condemn', verdict: { cause, detail } });
    if (this.#state.kind !== 'exited') void this.#child.tree?.kill();
  }

  status(): InstanceStatus {
    const { rssBytes = null, cpuMs = null, eventLoopDelayMs = null } = this.#memory.usage;
    const usage = { uptimeMs: Math.round(performance.now() - this.#bornAt), inFlight: this.inFlight, rssBytes, cpuMs, eventLoopDelayMs };
    return { id: this.marker, state: this.#state.kind, pid: this.#hasExited ? null : this.#child.pid, ...usage, inspector: this.#inspector.url };
  }

  #open(pipes: NonNullable<Spawned['channel']>, transport: 'dedicated' | 'stdio'): Channel {
    const { maxMessageBytes, maxMessageValues, debug, liveness } = this.#setup.options;
    return new Channel({
      ...pipes,
      maxMessageBytes,
      maxMessageValues,
      intake: this.#setup.intake,
      // A breakpoint may come while a large answer is being written.
      ...(debug && { stallTimeoutMs: liveness.timeoutMs }),
      onLog: (record, bytes) => this.journal.write(record.level, record.message, 'log', { fields: record.fields, bytes }),
      onPhase: (phase) => (this.start.waits(phase) ? undefined : this.#stray('a phase that there is not')),
      onStray: (reason) => this.#stray(reason),
      onEnd: (reason) => void this.#channelEnded(reason),
      ...(transport === 'stdio' && { onStrayLine: (line: string) => this.journal.write('info', line, 'stdout') }),
    });
  }

  async #shakeHands(channel: Channel): Promise<void> {
    const { release, options, state } = this.#setup;
    this.start.begin(options.startTimeoutMs, this.#child.pid!);
    await this.#child.tree!.confined;
    channel.request(Control.initialize, initializeParams(release, options, state)).then(
      (answer) => {
        const greeting = readGreeting(answer, release);
        if (greeting.kind === 'refused') this.#failStart({ kind: 'handshake', phase: 'handshake', message: greeting.reason });
        // A turn of the event loop tells of exits after it has read the pipes, and before its immediates.
        else setImmediate(() => this.#state.kind === 'starting' && !this.#hasExited && this.#becomeReady(channel, greeting));
      },
      (error: Error) => {
        const fault = readRefusal(error, this.#child.channel?.readable.destroyed === false);
        if (fault !== null) this.#failStart(fault);
      },
    );
  }

  #becomeReady(channel: Channel, { runtime, methods, takesAttachments }: Welcome): void {
    const readiness = { pid: this.#child.pid!, startMs: Math.round(performance.now() - this.#bornAt), runtime, methods };
    this.takesAttachments = takesAttachments;
    this.start.end();
    this.#move({ kind: 'answered', readiness });
    this.#liveness = new Liveness({
      ...this.#setup.options.liveness,
      ping: () => channel.request(Control.ping),
      lastReadAt: () => channel.lastReadAt,
      processorTime: () => processorTime(readiness.pid),
      onTick: () => this.#memory.weigh(),
      onPong: (usage) => this.#memory.told(usage),
      onSilence: (silentMs) => this.kill('unresponsive', `no sign of life for ${silentMs} ms`),
    });
    this.#memory.weigh();
    this.#setup.emit({ kind: 'instance-ready', ...this.#subject, pid: readiness.pid, startMs: readiness.startMs });
    this.#ready.resolve(readiness);
  }

  #failStart(fault: StartFault): void {
    if (this.#state.kind !== 'starting') return;
    this.#fault = fault;
    this.kill(fault.kind === 'timeout' ? 'start-timeout' : 'start-failed', fault.message.split('\n', 1)[0]!);
  }

  #stray(reason: string): void {
    if (this.#state.kind === 'starting')
      this.#failStart({ kind: 'handshake', phase: 'handshake', message: `the supervisor asked once, the plugin sent ${reason}` });
    else this.#setup.emit({ kind: 'stray-answer', ...this.#subject, reason });
  }

  async #channelEnded(reason: string | null): Promise<void> {
    if (reason !== null) {
      if (this.#state.kind === 'starting')
        this.#fault = { kind: 'handshake', phase: 'handshake', message: `the plugin broke the protocol: ${reason}` };
      return this.kill('protocol-error', reason);
    }
    if (!(await isEnding(this.#child.tree!)) && this.#state.kind !== 'stopping') {
      if (this.#state.kind === 'starting') this.#fault = { kind: 'failed', phase: 'handshake', message: 'it closed its channel before it was ready' };
      this.kill('channel-closed', 'it closed its channel and lived on');
    }
  }

  async #drainAndEnd(): Promise<void> {
    this.#move({ kind: 'drain' });
    const drained = await this.#drainTime.drain(this.#channel!);
    if (!drained && this.state.kind === 'draining') {
      const calls = this.#channel!.pendingCalls().map(({ id, method }) => ({ id, method }));
      this.#setup.emit({ kind: 'drain-timeout', ...this.#subject, calls });
    }
    this.#move({ kind: 'condemn', verdict: { cause: drained ? 'stopped' : 'drain-timeout', detail: null } });
    const { emit, options } = this.#setup;
    const { plugin, version } = this.#subject;
    await climb(this.#child.tree!, this.#channel!, options.stopTimeoutMs, options.debug ? this.#drainTime.over : null, (reason) =>
      emit({ kind: 'free-failed', plugin, version, error: new FreeFailedError({ plugin, version }, reason) }),
    );
  }

  /** Everything that follows the child's exit, in this order: its last words, its calls, its leftovers. */
  async #finish(raw: RawExit): Promise<void> {
    this.#hasExited = true;
    this.start.end();
    this.#liveness?.stop();
    await lastWords(this.#child, this.#channel);
    this.#child.release();
    this.journal.flush();
    const end = endOf({
      release: this.#setup.release,
      plan: launchPlan(this.#setup.release, this.#setup.options),
      pid: this.#child.pid,
      raw,
      uptimeMs: Math.round(performance.now() - this.#bornAt),
      stderrTail: this.journal.tail,
      rssBytes: this.#memory.usage.rssBytes ?? null,
      kernelWasOutOfMemory: raw.kind === 'exited' && raw.signal === 'SIGKILL' && (await kernelOomKills()) !== (await this.#oomKills),
      state: this.#state,
      fault: this.#fault,
      lastReadAt: this.#channel?.lastReadAt ?? 0,
      unanswered: this.#channel?.close() ?? [],
    });
    this.#move({ kind: 'ended', end });
    if (end.kind === 'start-failed') this.#setup.emit({ kind: 'instance-start-failed', ...this.#subject, error: end.error });
    else this.#setup.emit({ kind: end.kind === 'stopped' ? 'instance-stopped' : 'instance-crashed', ...this.#subject, exit: end.exit });
    this.#ready.resolve(null);
    this.#done.resolve(end);
    await this.#child.tree?.sweep();
  }

  #move(event: Transition): void {
    this.#state = transition(this.#state, event);
  }
}
